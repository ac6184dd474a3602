/* SPDX-License-Identifier: Apache-2.0
 * vectors.c - how long the embedded place of vectors takes to find: vectors PATH [COUNT], with COUNT (100,000) invented texts
 * of 40 words and random vectors, searched 300 times by vector and words. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uv.h>

#include "connectors/vectors_sqlite.h"
#include "engine/memory.h"
#include "engine/random.h"

enum { WIDTH = 384, ROWS = 256, TEXT = 512, QUERIES = 300, VOCABULARY = 5000 };

/* What is asked now. */
struct bench {
    struct dv_vectors_sqlite sqlite;
    struct dv_vectors_request request;
    struct dv_random random;
    struct dv_vectors_row rows[ROWS];
    float vectors[ROWS][WIDTH];
    char texts[ROWS][TEXT];
    double ms[QUERIES];
    bool done;
};

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void on_answer(struct dv_vectors_request *request)
{
    ((struct bench *)request->data)->done = true;
}

static void act(struct bench *bench, uv_loop_t *uv)
{
    bench->done = false;
    bench->request.callback = on_answer;
    bench->request.data = bench;
    dv_vectors_request(&bench->sqlite.vectors, &bench->request);
    while (!bench->done)
        (void)uv_run(uv, UV_RUN_ONCE);
    if (bench->request.rc != DV_OK) {
        fprintf(stderr, "vectors: %s\n", bench->request.reason != NULL ? bench->request.reason : dv_rc_text(bench->request.rc));
        exit(1);
    }
}

static void invent(struct bench *bench, int row, int words)
{
    double sum = 0;
    size_t length = 0;
    for (int i = 0; i < WIDTH; i++) {
        bench->vectors[row][i] = (float)(dv_random_unit(&bench->random) - 0.5);
        sum += (double)bench->vectors[row][i] * (double)bench->vectors[row][i];
    }
    for (int i = 0; i < WIDTH; i++)
        bench->vectors[row][i] = (float)((double)bench->vectors[row][i] / sqrt(sum));
    for (int i = 0; i < words && length < TEXT; i++) { /* small numbers are common, as words of a language are */
        uint64_t word = dv_random_below(&bench->random, 1 + dv_random_below(&bench->random, VOCABULARY));
        length += (size_t)snprintf(bench->texts[row] + length, TEXT - length, "w%dq ", (int)word);
    }
}

static void put_rows(struct bench *bench, uv_loop_t *uv, uint64_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct dv_vectors_row *row = &bench->rows[i];
        invent(bench, (int)i, 40);
        *row = (struct dv_vectors_row){ .created_ms = (int64_t)first, .tenant = { "default", 7 }, .schema = { "healthcare", 10 },
                                        .model = { "minilm:0", 8 }, .hash = { "h", 1 }, .text = { bench->texts[i], strlen(bench->texts[i]) },
                                        .vector = { bench->vectors[i], sizeof bench->vectors[i] }, .subjects = 1 };
        for (int k = 0; k < 8; k++)
            row->id[k] = (uint8_t)((first + i) >> (56 - 8 * k));
    }
    bench->request = (struct dv_vectors_request){ .kind = DV_VECTORS_PUT, .rows = bench->rows, .count = count };
    act(bench, uv);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void search(struct bench *bench, uv_loop_t *uv)
{
    for (int i = 0; i < QUERIES; i++) {
        invent(bench, 0, 6);
        bench->request = (struct dv_vectors_request){ .kind = DV_VECTORS_SEARCH };
        bench->request.query = (struct dv_vectors_query){ .tenant = { "default", 7 }, .text = { bench->texts[0], strlen(bench->texts[0]) },
                                                          .vector = { bench->vectors[0], sizeof bench->vectors[0] }, .model = { "minilm:0", 8 },
                                                          .from_ms = INT64_MIN, .to_ms = INT64_MAX, .top = 8, .floor = -1 };
        double start = now_ms();
        act(bench, uv);
        bench->ms[i] = now_ms() - start;
    }
    qsort(bench->ms, QUERIES, sizeof *bench->ms, by_size);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    struct bench *bench = dv_memory_zeroed(1, sizeof *bench);
    struct dv_error error = { 0 };
    struct dv_loop_real loop;
    uv_loop_t uv;
    if (argc < 2 || bench == NULL || uv_loop_init(&uv) != 0 || dv_loop_real_init(&loop, &uv) != DV_OK) {
        fputs("usage: vectors PATH [COUNT]\n", stderr);
        return 2;
    }
    dv_random_seed(&bench->random, 6);
    double start = now_ms();
    if (dv_vectors_sqlite_open(&bench->sqlite, &loop.base, argv[1], (size_t)1 << 32, &error) != DV_OK) {
        fprintf(stderr, "vectors: %s\n", error.text);
        return 1;
    }
    double opened = now_ms();
    bench->request = (struct dv_vectors_request){ .kind = DV_VECTORS_COUNT };
    act(bench, &uv);
    for (uint64_t first = bench->request.total; first < count; first += ROWS)
        put_rows(bench, &uv, first, count - first < ROWS ? (uint32_t)(count - first) : ROWS);
    double put = now_ms();
    search(bench, &uv);
    printf("%llu vectors: opened in %.0f ms, put in %.1f s; a search takes p50 %.0f ms, p95 %.0f ms, at most %.0f ms\n", (unsigned long long)count,
           opened - start, (put - opened) / 1e3, bench->ms[QUERIES / 2], bench->ms[QUERIES * 95 / 100], bench->ms[QUERIES - 1]);
    dv_vectors_close(&bench->sqlite.vectors);
    dv_loop_real_close(&loop);
    (void)uv_run(&uv, UV_RUN_DEFAULT);
    dv_memory_free(bench);
    return 0;
}
