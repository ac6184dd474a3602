/* SPDX-License-Identifier: Apache-2.0
 * ask_print.c - rows of an answer as text that is safe on a terminal. */
#include "cli/ask_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "engine/text.h"
#include "privacy/infer_json.h"

enum { KIND, TEXT, CITATIONS, STATUS, DROPPED, REASON, RECORDS, PEOPLE, LEXICAL, ID, EXTRA, COLUMNS };
enum { ROW_MAX = 1024 * 1024, ARENA_BYTES = 16 * 1024 * 1024, HASH_SHOWN = 16, SAID_MAX = 512 };

static struct dv_schema *make_schema(struct dv_arena *arena)
{
    static const struct { const char *name; enum dv_type type; } columns[COLUMNS] = {
        [KIND] = { "kind", DV_TYPE_TEXT },     [TEXT] = { "text", DV_TYPE_TEXT },     [CITATIONS] = { "citations", DV_TYPE_JSON },
        [STATUS] = { "status", DV_TYPE_TEXT }, [DROPPED] = { "dropped", DV_TYPE_INT }, [REASON] = { "reason", DV_TYPE_TEXT },
        [RECORDS] = { "records", DV_TYPE_INT }, [PEOPLE] = { "people", DV_TYPE_INT },
        [LEXICAL] = { "lexical", DV_TYPE_BOOL },
        [ID] = { "id", DV_TYPE_TEXT },         [EXTRA] = { DV_EXTRA_COLUMN, DV_TYPE_JSON },
    };
    struct dv_schema *schema = dv_schema_new(arena, "answers", COLUMNS);
    for (int i = 0; schema != NULL && i < COLUMNS; i++)
        (void)dv_schema_add(schema, columns[i].name, columns[i].type, dv_label(DV_CLASS_DIRECT_ID, DV_FORM_PLAIN));
    if (schema != NULL)
        schema->extra = EXTRA;
    return schema;
}

bool dv_ask_printer_open(struct dv_ask_printer *printer)
{
    dv_arena_init(&printer->arena, ARENA_BYTES);
    struct dv_schema *schema = make_schema(&printer->arena);
    struct dv_cell *cells = dv_arena_zeroed(&printer->arena, COLUMNS, sizeof *cells);
    if (schema == NULL || cells == NULL)
        return false;
    printer->row = (struct dv_batch){ .schema = schema };
    dv_arena_init(&printer->row.arena, ARENA_BYTES);
    for (int i = 0; i < COLUMNS; i++)
        printer->row.cells[i] = &cells[i];
    printer->json = dv_json_reader_new(schema, ROW_MAX);
    return printer->json != NULL;
}

void dv_ask_printer_close(struct dv_ask_printer *printer)
{
    if (printer->json != NULL)
        dv_json_reader_free(printer->json);
    if (printer->row.schema != NULL)
        dv_arena_free(&printer->row.arena);
    if (printer->arena.limit_bytes > 0)
        dv_arena_free(&printer->arena);
}

static bool says(const struct dv_cell *cell, const char *word)
{
    return cell->present && cell->length == strlen(word) && memcmp(cell->text, word, cell->length) == 0;
}

static void print_cell(FILE *out, const struct dv_cell *cell)
{
    if (cell->present)
        dv_put_clean(out, cell->text, cell->length);
}

void dv_ask_print_row(struct dv_ask_printer *printer, const char *json, size_t length)
{
    const char *reason = NULL;
    char *padded = NULL;
    if (printer->over)
        return;
    dv_arena_reset(&printer->row.arena);
    padded = dv_arena_text(&printer->row.arena, length + DV_JSON_PADDING);
    if (padded == NULL)
        return;
    memcpy(padded, json, length);
    memset(padded + length, 0, DV_JSON_PADDING);
    for (int i = 0; i < COLUMNS; i++)
        *printer->row.cells[i] = (struct dv_cell){ .present = 0 };
    if (dv_json_reader_in_place(printer->json, padded, length, &printer->row, 0, &reason) != DV_OK)
        return;
    printer->over = says(printer->row.cells[KIND], "end");
    printer->stands = says(printer->row.cells[STATUS], "answered") || says(printer->row.cells[STATUS], "partial");
    if (printer->over)
        return;
    printer->sentences++;
    print_cell(stdout, printer->row.cells[TEXT]);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
}

static bool is_key(const struct dv_member *member, const char *key)
{
    return member->key_length == strlen(key) && memcmp(member->key, key, member->key_length) == 0;
}

/* One of the list: "[1] healthcare 018f2c5e-… 00000000…" */
static void print_citation(const char *json, size_t length)
{
    struct dv_members members = dv_members_of(json, length);
    struct dv_member member;
    while (dv_members_next(&members, &member)) {
        char said[SAID_MAX];
        size_t size = dv_json_said(member.value, member.value_length, said, sizeof said);
        bool hash = is_key(&member, "hash");
        if (is_key(&member, "n")) {
            (void)fputs("  [", stdout);
            dv_put_clean(stdout, member.value, member.value_length);
            (void)fputs("]", stdout);
        } else if (member.value_length > 0 && *member.value == '"') {
            (void)fputs(hash ? "  sha256:" : "  ", stdout);
            dv_put_clean(stdout, said, hash && size > HASH_SHOWN ? HASH_SHOWN : size);
        }
    }
    (void)fputc('\n', stdout);
}

static void print_citations(const struct dv_cell *cell)
{
    if (!cell->present)
        return;
    struct dv_members elements = dv_elements_of(cell->text, cell->length);
    struct dv_member element;
    while (dv_elements_next(&elements, &element))
        print_citation(element.value, element.value_length);
}

bool dv_ask_print_end(const struct dv_ask_printer *printer)
{
    const struct dv_batch *row = &printer->row;
    bool grey = dv_colour(STDOUT_FILENO);
    if (!printer->stands) {
        if (printer->sentences > 0)
            (void)puts("\nWhat was said so far is withdrawn.");
        print_cell(stdout, row->cells[TEXT]);
    } else {
        (void)fputs(grey ? "\n\033[2m" : "\n", stdout);
        print_citations(row->cells[CITATIONS]);
        (void)printf("  It rests on %" PRId64 " %s, of at least %" PRId64 " %s.", row->cells[RECORDS]->integer,
                     row->cells[RECORDS]->integer == 1 ? "record" : "records", row->cells[PEOPLE]->integer,
                     row->cells[PEOPLE]->integer == 1 ? "person" : "people");
        if (row->cells[LEXICAL]->integer != 0)
            (void)fputs("\n  It was found by its words alone: no model compares what they mean.", stdout);
        if (row->cells[ID]->present) {
            (void)fputs("\n  To judge it: datavault review ", stdout);
            print_cell(stdout, row->cells[ID]);
            (void)fputs(" good", stdout);
        }
        (void)fputs(grey ? "\033[0m" : "", stdout);
    }
    (void)fputc('\n', stdout);
    if (!row->cells[REASON]->present)
        return printer->stands;
    (void)fputs("  ", stdout);
    print_cell(stdout, row->cells[STATUS]);
    (void)fputs(": ", stdout);
    print_cell(stdout, row->cells[REASON]);
    if (row->cells[DROPPED]->present && row->cells[DROPPED]->integer > 0)
        (void)printf(" (%" PRId64 ")", row->cells[DROPPED]->integer);
    (void)fputc('\n', stdout);
    return printer->stands;
}

int dv_ask_print_problem(const char *json, size_t length, unsigned status)
{
    struct dv_members members = dv_members_of(json, length);
    struct dv_member member;
    (void)fprintf(stderr, "datavault: the server answers %u", status);
    while (dv_members_next(&members, &member)) {
        char said[SAID_MAX];
        if (!is_key(&member, "detail") && !is_key(&member, "reason"))
            continue;
        size_t size = dv_json_said(member.value, member.value_length, said, sizeof said);
        (void)fputs(": ", stderr);
        dv_put_clean(stderr, said, size);
    }
    if (status == 401)
        (void)fputs("\ndatavault: give its token, as --token file:var/token", stderr);
    (void)fputc('\n', stderr);
    return status == 503 || status == 504 || status == 429 ? dv_rc_exit(DV_E_DEPENDENCY) : DV_EXIT_FAILED;
}
