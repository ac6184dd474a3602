/* SPDX-License-Identifier: Apache-2.0
 * limit.c - the bare loop: works W1 and W2 with no engine around them, the most this stack can do on one core. */
#include "limit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    CHUNK = 256 * 1024,             /* bytes a read or write */
    RECORD_MAX = 8 * LIMIT_LINE_MAX, /* each byte of a line escaped, with room to spare */
    BOX_MAX = LIMIT_NONCE + RECORD_MAX + LIMIT_TAG,
};

/* What is done to each record, in order. A run may stop early, to see what each step costs. */
enum stage { READ, PARSE, HMAC, SCAN, JSON, SEAL, BASE64, STAGES };
static const char *const stage_names[STAGES] = { "read", "parse", "hmac", "scan", "json", "seal", "base64" };

/* Untouched pages cost nothing, so each buffer has the size of its worst case. */
struct buffers {
    char input[LIMIT_LINE_MAX + LIMIT_SLACK];
    uint8_t box[BOX_MAX + LIMIT_SLACK];
    char output[CHUNK + BOX_MAX / 3 * 4 + LIMIT_SLACK];
    struct limit_hit hits[LIMIT_LINE_MAX];
};

struct limit {
    enum stage work, until; /* the last stage of the work; the last one of this run */
    int in, out;
    struct buffers *buffers;
    size_t filled; /* bytes in buffers->output */
    struct limit_json *json;
    struct limit_hmac *hmac;
    struct limit_seal *seal;
    limit_collect collect;
    limit_base64 base64;
    unsigned long long line;
};

static bool complain(const char *what, const char *name)
{
    fprintf(stderr, "limit: %s: %s\n", what, name);
    return false;
}

/* The length of a literal is known, so this is one or two moves. */
#define PUT(out, literal) ((char *)memcpy((out), (literal), sizeof(literal) - 1) + sizeof(literal) - 1)

static char *put_text(char *out, struct limit_text text, bool plain)
{
    return plain ? limit_copy(out, text.at, text.n) : limit_escape(out, text.at, text.n);
}

/* The last four characters, which may be more bytes. */
static struct limit_text last_four(struct limit_text text)
{
    size_t at = text.n;
    for (int characters = 0; at > 0 && characters < 4; characters++)
        do
            at--;
        while (at > 0 && (text.at[at] & 0xc0) == 0x80);
    return (struct limit_text){ text.at + at, text.n - at };
}

/* The first character, three stars and the domain. */
static char *put_email(char *out, struct limit_text email, bool plain)
{
    const char *at = memchr(email.at, '@', email.n);
    size_t first = 1;
    while (first < email.n && (email.at[first] & 0xc0) == 0x80)
        first++;
    if (at == NULL)
        return NULL;
    out = put_text(out, (struct limit_text){ email.at, first }, plain);
    out = PUT(out, "***@");
    return put_text(out, (struct limit_text){ at + 1, (size_t)(email.at + email.n - at) - 1 }, plain);
}

static char *put_number(char *out, int64_t number)
{
    char digits[20];
    int n = 0;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    if (number < 0)
        *out++ = '-';
    do
        digits[n++] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

/* The decade, rounded down as t1.py does, also below zero. */
static char *put_decade(char *out, int64_t age)
{
    int64_t decade = age / 10 - (age % 10 < 0);
    out = put_number(out, decade * 10);
    *out++ = '-';
    return put_number(out, decade * 10 + 9);
}

static char *put_token(char *out, enum limit_kind kind)
{
    if (kind == LIMIT_SSN)
        return PUT(out, "[SSN]");
    return kind == LIMIT_EMAIL ? PUT(out, "[EMAIL]") : PUT(out, "[PHONE]");
}

static char *put_note(char *out, struct limit_text note, const struct limit_hit *hits, size_t count, bool plain)
{
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        if (hits[i].kind < LIMIT_SSN)
            continue;
        out = put_text(out, (struct limit_text){ note.at + from, hits[i].begin - from }, plain);
        out = put_token(out, hits[i].kind);
        from = hits[i].end;
    }
    return put_text(out, (struct limit_text){ note.at + from, note.n - from }, plain);
}

/* The fields T1 hides; NULL if the e-mail address has no '@'. */
static char *put_hidden(char *out, const struct limit_record *record, const uint8_t hash[LIMIT_HASH])
{
    out = PUT(out, "{\"patient_id\":\"");
    out = limit_hex(out, hash);
    out = PUT(out, "\",\"ssn\":\"***-**-");
    out = put_text(out, last_four(record->ssn), record->plain);
    out = PUT(out, "\",\"email\":\"");
    out = put_email(out, record->email, record->plain);
    if (out == NULL)
        return NULL;
    out = PUT(out, "\",\"phone\":\"***-***-");
    out = put_text(out, last_four(record->phone), record->plain);
    out = PUT(out, "\",\"age\":\"");
    return put_decade(out, record->age);
}

static char *put_kept(char *out, const struct limit_record *record)
{
    out = PUT(out, "\",\"diagnosis\":\"");
    out = put_text(out, record->diagnosis, record->plain);
    out = PUT(out, "\",\"treatment_plan\":\"");
    out = put_text(out, record->treatment_plan, record->plain);
    out = PUT(out, "\",\"visit_date\":\"");
    out = put_text(out, record->visit_date, record->plain);
    return PUT(out, "\",\"note\":\"");
}

static size_t scan(struct limit *limit, struct limit_text note)
{
    size_t count = limit->collect(limit->buffers->hits, note.at, note.n);
    if (count > 0)
        limit_scan_prove(limit->buffers->hits, count, note.at, note.n);
    return count;
}

/* T1 as one JSON object at `out`; its length, or 0 if a field does not fit. */
static size_t transform(struct limit *limit, const struct limit_record *record, char *out)
{
    uint8_t hash[LIMIT_HASH];
    limit_hmac_hash(limit->hmac, record->patient_id.at, record->patient_id.n, hash);
    if (limit->until == HMAC)
        return 1;
    size_t count = scan(limit, record->note);
    if (limit->until == SCAN)
        return 1;
    char *end = put_hidden(out, record, hash);
    if (end == NULL)
        return 0;
    end = put_kept(end, record);
    end = put_note(end, record->note, limit->buffers->hits, count, record->plain);
    end = PUT(end, "\"}");
    return (size_t)(end - out);
}

static size_t transform_and_seal(struct limit *limit, const struct limit_record *record, char *out)
{
    uint8_t *box = limit->buffers->box;
    size_t n = transform(limit, record, (char *)box + LIMIT_NONCE);
    if (n == 0 || limit->until < SEAL)
        return n;
    n = limit_seal_box(limit->seal, box, n);
    return n == 0 || limit->until < BASE64 ? n : limit->base64(out, box, n);
}

static bool flush(struct limit *limit)
{
    for (size_t done = 0; done < limit->filled;) {
        ssize_t n = write(limit->out, limit->buffers->output + done, limit->filled - done);
        if (n < 0)
            return complain("cannot write", "OUT");
        done += (size_t)n;
    }
    limit->filled = 0;
    return true;
}

static bool one_record(struct limit *limit, const char *line, size_t n)
{
    struct limit_record record;
    limit->line++;
    if (limit->until == READ)
        return true;
    if (!limit_json_read(limit->json, line, n, &record))
        return false;
    if (limit->until == PARSE)
        return true;
    char *out = limit->buffers->output + limit->filled;
    size_t length = limit->work == JSON ? transform(limit, &record, out) : transform_and_seal(limit, &record, out);
    if (length == 0)
        return false;
    if (limit->until < limit->work)
        return true;
    out[length] = '\n';
    limit->filled += length + 1;
    return limit->filled < CHUNK || flush(limit);
}

/* Takes all whole lines from the input; returns the bytes left over, or -1. */
static ssize_t all_lines(struct limit *limit, size_t n)
{
    const char *line = limit->buffers->input, *end = line + n, *stop;
    while ((stop = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        if (!one_record(limit, line, (size_t)(stop - line)))
            return -1;
        line = stop + 1;
    }
    memmove(limit->buffers->input, line, (size_t)(end - line));
    return end - line;
}

static bool all_records(struct limit *limit)
{
    ssize_t left = 0, n;
    while ((n = read(limit->in, limit->buffers->input + left, (size_t)(LIMIT_LINE_MAX - left))) > 0)
        if ((left = all_lines(limit, (size_t)(left + n))) < 0)
            return false;
    if (n < 0)
        return complain("cannot read", "SRC");
    if (left == LIMIT_LINE_MAX)
        return complain("a line is too long", "SRC");
    return (left == 0 || one_record(limit, limit->buffers->input, (size_t)left)) && flush(limit);
}

static bool run(struct limit *limit)
{
    bool done = all_records(limit);
    if (!done)
        fprintf(stderr, "limit: stopped at record %llu\n", limit->line);
    return done;
}

static bool open_parts(struct limit *limit)
{
    static const char hmac_key[] = "datavault-hmac-key-0123456789abcd"; /* nothing but this bench uses these two keys */
    uint8_t aes_key[32];
    for (int i = 0; i < 32; i++)
        aes_key[i] = (uint8_t)i;
    limit->buffers = mmap(NULL, sizeof *limit->buffers, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    limit->json = limit_json_new(LIMIT_LINE_MAX);
    limit->hmac = limit_hmac_new(hmac_key, sizeof hmac_key - 1);
    limit->seal = limit_seal_new(aes_key);
    limit->collect = limit_collect_choose();
    limit->base64 = limit_base64_choose();
    return limit->buffers != MAP_FAILED && limit->json != NULL && limit->hmac != NULL && limit->seal != NULL;
}

static void close_parts(struct limit *limit)
{
    if (limit->buffers != MAP_FAILED)
        munmap(limit->buffers, sizeof *limit->buffers);
    limit_json_free(limit->json);
    limit_hmac_free(limit->hmac);
    limit_seal_free(limit->seal);
}

static bool open_files(struct limit *limit, const char *source, const char *target)
{
    limit->in = open(source, O_RDONLY | O_CLOEXEC);
    if (limit->in < 0)
        return complain("cannot open", source);
    limit->out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return limit->out >= 0 || complain("cannot open", target);
}

static bool choose_work(struct limit *limit, int argc, char **argv)
{
    bool w1 = argc > 1 && strcmp(argv[1], "w1") == 0, w2 = argc > 1 && strcmp(argv[1], "w2") == 0;
    if (argc < 4 || argc > 5 || (!w1 && !w2))
        return false;
    limit->work = limit->until = w1 ? JSON : BASE64;
    if (argc == 4)
        return true;
    for (enum stage stage = READ; stage < limit->work; stage++)
        if (strcmp(argv[4], stage_names[stage]) == 0)
            limit->until = stage;
    return limit->until < limit->work;
}

int main(int argc, char **argv)
{
    struct limit limit = { .in = -1, .out = -1 };
    if (!choose_work(&limit, argc, argv)) {
        fputs("usage: limit w1|w2 SRC OUT [read|parse|hmac|scan|json|seal]\n"
              "Does the work on SRC, or only its steps up to the one named, and then writes nothing.\n", stderr);
        return 2;
    }
    bool done = open_files(&limit, argv[2], argv[3]) && (open_parts(&limit) || complain("no memory for", argv[1])) && run(&limit);
    if (limit.buffers != NULL)
        close_parts(&limit);
    return done && close(limit.out) == 0 ? 0 : 1;
}
