/* SPDX-License-Identifier: Apache-2.0
 * dlq_show.c - `datavault dlq show`: what was rejected, opened for whoever holds the keyring. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/dlq.h"
#include "cli/command.h"
#include "engine/id.h"
#include "engine/log.h"
#include "operators/dead_letter_scan.h"

/* To a terminal a control character, or a byte that may begin one in UTF-8, is shown by its number: it could change
 * what the person sees, or type for them. */
static void print_text(struct dv_bytes text, bool terminal)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.at[i];
        bool c1 = byte == 0xc2 && i + 1 < text.length && text.at[i + 1] < 0xa0;
        if (terminal && (byte < 0x20 || byte == 0x7f || c1) && byte != '\n')
            (void)printf("\\x%02x", byte);
        else
            (void)putchar(byte);
    }
}

static struct dv_bytes payload_of(const struct dv_letter_view *letter)
{
    return letter->schema.at != NULL ? letter->record : letter->raw;
}

static void print_letter(const struct dv_letter_view *letter, bool terminal)
{
    char id[DV_UUID_TEXT];
    char when[DV_DLQ_TIME_TEXT];
    (void)printf("id      %s\ntime    %s\nstate   %s\nnode    %.*s\ncode    %.*s\nreason  %.*s\nplace   offset %llu, "
                 "line %llu\n",
                 dv_id_text(id, letter->key.id), dv_dlq_time(when, letter->created_ms),
                 dv_letter_state_name(letter->state), (int)letter->node.length, (const char *)letter->node.at,
                 (int)letter->code.length, (const char *)letter->code.at, (int)letter->reason.length,
                 (const char *)letter->reason.at, (unsigned long long)letter->place_offset,
                 (unsigned long long)letter->place_line);
    if (letter->schema.at != NULL)
        (void)printf("record  of schema %.*s\n\n", (int)letter->schema.length, (const char *)letter->schema.at);
    else
        (void)printf("%s\n\n", letter->notice ? "notice  of a loss: no record is in it" : "input   as it came");
    print_text(payload_of(letter), terminal);
    (void)printf("\n\n");
}

/* One go over the letters: the first counts those meant (`only` is UINT64_MAX), the second prints number `only` raw. */
static dv_rc go(struct dv_dlq *dlq, struct dv_letter_scan *scan, uint64_t only, uint64_t *ret_count, uint64_t *damaged,
                struct dv_error *error)
{
    struct dv_letter_view letter;
    char id[DV_UUID_TEXT];
    bool end = false;
    DV_TRY(dv_letter_scan_open(scan, dlq->letters, dlq->keyring, error));
    for (*ret_count = 0;;) {
        DV_TRY(dv_letter_scan_next(scan, &letter, &end, error));
        if (end)
            return DV_OK;
        if (letter.opened != DV_OK && only == UINT64_MAX)
            dv_dlq_say_damage(&letter, damaged);
        if (letter.opened != DV_OK || !dv_dlq_wants(dlq, &letter))
            continue;
        *ret_count += 1;
        if (*ret_count == only)
            print_text(payload_of(&letter), false);
        else if (!dlq->raw)
            print_letter(&letter, isatty(STDOUT_FILENO));
        if (*ret_count == only || !dlq->raw)
            dv_log(DV_LOG_INFO, "dlq.shown", DV_LOG_NAMED("id", dv_id_text(id, letter.key.id)),
                   DV_LOG_NUMBER("uid", (int64_t)getuid()));
    }
}

int dv_dlq_show(struct dv_dlq *dlq)
{
    struct dv_letter_scan scan = { 0 };
    struct dv_error error = { 0 };
    uint64_t found = 0;
    uint64_t damaged = 0;
    dv_rc rc = go(dlq, &scan, UINT64_MAX, &found, &damaged, &error);
    if (rc == DV_OK && dlq->raw && found > 0) { /* of several letters of one record, the newest */
        dv_letter_scan_close(&scan);
        rc = go(dlq, &scan, found, &found, &damaged, &error);
    }
    int code = dv_dlq_end(dlq, &scan, damaged, rc, &error);
    dv_letter_scan_close(&scan);
    return code;
}
