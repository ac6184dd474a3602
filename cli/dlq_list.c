/* SPDX-License-Identifier: Apache-2.0
 * dlq_list.c - `datavault dlq list`: where letters come from and why, and never what is in them. */
#include <stdio.h>
#include <string.h>

#include "cli/dlq.h"
#include "cli/command.h"
#include "engine/id.h"
#include "engine/json.h"
#include "operators/dead_letter_scan.h"

enum { KINDS_MAX = 256, NAME_MAX_BYTES = 128, LINE_BYTES = 2048 };

/* Letters of one node and code. */
struct kind {
    char node[NAME_MAX_BYTES + 1], code[32];
    uint64_t of[DV_LETTER_STATES];
};

/* All of them; what finds no place any more is counted in the last. */
struct totals {
    struct kind kind[KINDS_MAX];
    uint32_t count;
};

static void copy_text(char *to, size_t size, struct dv_bytes text)
{
    (void)snprintf(to, size, "%.*s", (int)text.length, (const char *)text.at);
}

static void count(struct totals *totals, const struct dv_letter_view *letter)
{
    struct kind new = { 0 };
    uint32_t i = 0;
    copy_text(new.node, sizeof new.node, letter->node);
    copy_text(new.code, sizeof new.code, letter->code);
    while (i < totals->count &&
           (strcmp(totals->kind[i].node, new.node) != 0 || strcmp(totals->kind[i].code, new.code) != 0))
        i++;
    if (i == KINDS_MAX)
        i--;
    else if (i == totals->count)
        totals->kind[totals->count++] = new;
    totals->kind[i].of[letter->state]++;
}

static void say_place(char *text, size_t size, const struct dv_letter_view *letter)
{
    (void)snprintf(text, size, "%llu:%llu", (unsigned long long)letter->place_offset,
                   (unsigned long long)letter->place_line);
}

static void print_row(const struct dv_letter_view *letter)
{
    char id[DV_UUID_TEXT];
    char when[DV_DLQ_TIME_TEXT];
    char place[48];
    say_place(place, sizeof place, letter);
    (void)printf("%-36s %-20s %-8s %-16.*s %-12.*s %8llu %-12s %.*s\n", dv_id_text(id, letter->key.id),
                 dv_dlq_time(when, letter->created_ms), dv_letter_state_name(letter->state), (int)letter->node.length,
                 (const char *)letter->node.at, (int)letter->code.length, (const char *)letter->code.at,
                 (unsigned long long)letter->length, place, (int)letter->reason.length,
                 (const char *)letter->reason.at);
}

static void member(struct dv_json *json, const char *key, struct dv_bytes text)
{
    dv_json_key(json, key);
    dv_json_text(json, (const char *)text.at, text.length);
}

static void number(struct dv_json *json, const char *key, uint64_t value)
{
    dv_json_key(json, key);
    dv_json_uint(json, value);
}

static void print_json(const struct dv_letter_view *letter)
{
    char buffer[LINE_BYTES];
    char id[DV_UUID_TEXT];
    char when[DV_DLQ_TIME_TEXT];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    member(&json, "id", dv_bytes_text(dv_id_text(id, letter->key.id)));
    member(&json, "time", dv_bytes_text(dv_dlq_time(when, letter->created_ms)));
    member(&json, "state", dv_bytes_text(dv_letter_state_name(letter->state)));
    member(&json, "node", letter->node);
    member(&json, "code", letter->code);
    member(&json, "reason", letter->reason);
    number(&json, "offset", letter->place_offset);
    number(&json, "line", letter->place_line);
    number(&json, "bytes", letter->length);
    dv_json_close(&json, '}');
    DV_ASSERT(!json.full);
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static void print_totals(const struct totals *totals, bool json)
{
    if (!json && totals->count == 0)
        (void)printf("no dead letters\n");
    if (!json && totals->count > 0)
        (void)printf("\n%-16s %-12s %10s %10s %10s\n", "NODE", "CODE", "OPEN", "REPLAYED", "DROPPED");
    for (uint32_t i = 0; i < totals->count; i++) {
        const struct kind *kind = &totals->kind[i];
        unsigned long long open = kind->of[DV_LETTER_OPEN];
        unsigned long long replayed = kind->of[DV_LETTER_REPLAYED];
        unsigned long long dropped = kind->of[DV_LETTER_DROPPED];
        if (json)
            (void)fprintf(stderr,
                          "{\"node\":\"%s\",\"code\":\"%s\",\"open\":%llu,\"replayed\":%llu,\"dropped\":%llu}\n",
                          kind->node, kind->code, open, replayed, dropped);
        else
            (void)printf("%-16s %-12s %10llu %10llu %10llu\n", kind->node, kind->code, open, replayed, dropped);
    }
}

int dv_dlq_list(struct dv_dlq *dlq)
{
    struct dv_letter_scan scan = { 0 };
    struct dv_letter_view letter;
    struct totals totals = { 0 };
    struct dv_error error = { 0 };
    uint64_t damaged = 0;
    uint64_t shown = 0;
    bool end = false;
    dv_rc rc = dv_letter_scan_open(&scan, dlq->letters, dlq->keyring, &error);
    while (rc == DV_OK && shown < dlq->limit && (rc = dv_letter_scan_next(&scan, &letter, &end, &error)) == DV_OK &&
           !end) {
        if (letter.opened != DV_OK) {
            dv_dlq_say_damage(&letter, &damaged);
            continue;
        }
        if (!dv_dlq_wants(dlq, &letter))
            continue;
        if (!dlq->json && shown == 0)
            (void)printf("%-36s %-20s %-8s %-16s %-12s %8s %-12s %s\n", "ID", "TIME", "STATE", "NODE", "CODE", "BYTES",
                         "OFFSET:LINE", "REASON");
        if (dlq->json)
            print_json(&letter);
        else
            print_row(&letter);
        count(&totals, &letter);
        shown++;
    }
    if (rc == DV_OK)
        print_totals(&totals, dlq->json);
    int code = dv_dlq_end(dlq, &scan, damaged, rc, &error);
    dv_letter_scan_close(&scan);
    return code;
}
