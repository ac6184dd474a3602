/* SPDX-License-Identifier: Apache-2.0
 * csv.c - one field after the other. */
#include "engine/csv.h"

#include <string.h>

#include "engine/batch.h"

void dv_csv_init(struct dv_csv *csv, char *text, size_t length)
{
    bool marked = length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0;
    *csv = (struct dv_csv){ .at = text + (marked ? 3 : 0), .end = text + length, .next_line = 1 };
}

static bool at_line_end(const struct dv_csv *csv)
{
    return *csv->at == '\n' || (*csv->at == '\r' && csv->end - csv->at >= 2 && csv->at[1] == '\n');
}

static void pass_line_end(struct dv_csv *csv)
{
    csv->at += *csv->at == '\r' ? 2 : 1;
    csv->next_line++;
}

/* What stands behind a field. */
static enum dv_csv_step pass_separator(struct dv_csv *csv)
{
    csv->in_record = csv->at < csv->end && *csv->at == ',';
    if (csv->in_record) {
        csv->at++;
        return DV_CSV_FIELD;
    }
    if (csv->at < csv->end && !at_line_end(csv))
        return DV_CSV_QUOTE;
    if (csv->at < csv->end)
        pass_line_end(csv);
    return DV_CSV_LAST;
}

/* Two quotes become one: what is behind them moves down. */
static enum dv_csv_step read_quoted(struct dv_csv *csv, struct dv_cell *ret)
{
    char *out = ++csv->at;
    *ret = (struct dv_cell){ .text = out, .present = 1 };
    while (csv->at < csv->end) {
        char byte = *csv->at++;
        if (byte == '"' && (csv->at == csv->end || *csv->at != '"')) {
            ret->length = (uint32_t)(out - ret->text);
            return pass_separator(csv);
        }
        csv->at += byte == '"';
        csv->next_line += byte == '\n';
        *out++ = byte;
    }
    return DV_CSV_QUOTE;
}

static enum dv_csv_step read_bare(struct dv_csv *csv, struct dv_cell *ret)
{
    const char *start = csv->at;
    while (csv->at < csv->end && *csv->at != ',' && !at_line_end(csv))
        csv->at++;
    uint32_t length = (uint32_t)(csv->at - start);
    *ret = (struct dv_cell){ .text = start, .length = length, .present = length > 0 };
    return pass_separator(csv);
}

enum dv_csv_step dv_csv_next(struct dv_csv *csv, struct dv_cell *ret)
{
    while (!csv->in_record && csv->at < csv->end && at_line_end(csv))
        pass_line_end(csv);
    csv->line = csv->next_line;
    if (csv->at < csv->end && *csv->at == '"')
        return read_quoted(csv, ret);
    if (csv->at < csv->end || csv->in_record)
        return read_bare(csv, ret);
    *ret = (struct dv_cell){ 0 };
    return DV_CSV_END;
}
