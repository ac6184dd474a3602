/* SPDX-License-Identifier: Apache-2.0
 * query_print.c - rows as people and programs read them. */
#include "cli/query_print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/command.h"
#include "engine/text.h"

enum { GAP = 2, PLOT_COLUMNS = 80, LABEL_MAX = 40, FIGURE_MAX = 20, BAR_MIN = 10, EIGHTHS = 8 };

/* What is kept of a row that is drawn. */
enum { LABEL, VALUE, BAR_CELLS };

static const size_t kept_bytes = (size_t)4 << 20; /* of rows that wait; what is over is printed as it comes */

/* ---- cells ---- */

static struct dv_snowflake_text shown(const struct dv_query_printer *printer, uint32_t column, struct dv_snowflake_text cell,
                                      char room[DV_SNOWFLAKE_VALUE_MAX])
{
    if (cell.at == NULL)
        return (struct dv_snowflake_text){ "null", 4 };
    return dv_snowflake_value_text(printer->columns[column].kind, cell, room);
}

/* The bytes of the first characters. */
static size_t bytes_of(struct dv_snowflake_text text, size_t characters)
{
    size_t at = 0;
    while (characters-- > 0 && at < text.length) {
        size_t step = dv_utf8_step(text.at + at, text.length - at);
        at += step > 0 ? step : 1;
    }
    return at;
}

/* A text in so many characters, with blanks before or behind it; what does not fit ends in an ellipsis. */
static void put_padded(struct dv_snowflake_text text, size_t width, bool right, bool last)
{
    size_t count = dv_utf8_count(text.at, text.length);
    int blanks = count < width ? (int)(width - count) : 0;
    (void)printf("%*s", right ? blanks : 0, "");
    if (count <= width)
        dv_put_clean(stdout, text.at, text.length);
    else {
        dv_put_clean(stdout, text.at, bytes_of(text, width - 1));
        (void)fputs("…", stdout);
    }
    (void)printf("%*s", right || last ? 0 : blanks, "");
}

/* ---- tables ---- */

static void widen(struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    char room[DV_SNOWFLAKE_VALUE_MAX];
    for (uint32_t i = 0; i < printer->column_count; i++) {
        struct dv_snowflake_text text = shown(printer, i, cells[i], room);
        size_t count = dv_utf8_count(text.at, text.length);
        count = count < DV_QUERY_WIDTH_MAX ? count : DV_QUERY_WIDTH_MAX;
        if (count > printer->widths[i])
            printer->widths[i] = count;
    }
}

static bool is_last(const struct dv_query_printer *printer, uint32_t column)
{
    return column + 1 == printer->column_count;
}

static void print_head(struct dv_query_printer *printer)
{
    bool bold = dv_colour(STDOUT_FILENO);
    printer->headed = true;
    (void)fputs(bold ? "\033[1m" : "", stdout);
    for (uint32_t i = 0; i < printer->column_count; i++) {
        put_padded(printer->columns[i].name, printer->widths[i], dv_snowflake_is_number(printer->columns[i].kind), is_last(printer, i));
        (void)fputs(is_last(printer, i) ? "" : "  ", stdout);
    }
    (void)fputs(bold ? "\033[0m\n" : "\n", stdout);
    for (uint32_t i = 0; i < printer->column_count; i++) {
        for (size_t dash = 0; dash < printer->widths[i]; dash++)
            (void)fputc('-', stdout);
        (void)fputs(is_last(printer, i) ? "\n" : "  ", stdout);
    }
}

static void print_line(const struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    char room[DV_SNOWFLAKE_VALUE_MAX];
    for (uint32_t i = 0; i < printer->column_count; i++) {
        bool right = dv_snowflake_is_number(printer->columns[i].kind);
        put_padded(shown(printer, i, cells[i], room), printer->widths[i], right, is_last(printer, i));
        (void)fputs(is_last(printer, i) ? "\n" : "  ", stdout);
    }
}

static void print_kept(struct dv_query_printer *printer)
{
    for (uint32_t row = 0; row < printer->kept_count; row++)
        widen(printer, printer->kept[row]);
    if (!printer->headed)
        print_head(printer);
    for (uint32_t row = 0; row < printer->kept_count; row++)
        print_line(printer, printer->kept[row]);
    printer->kept_count = 0;
}

/* A copy; false: there is no more room. */
static bool keep(struct dv_query_printer *printer, const struct dv_snowflake_text *cells, uint32_t count)
{
    if (printer->kept_count == DV_QUERY_KEPT_ROWS)
        return false;
    struct dv_snowflake_text *row = dv_arena_alloc(&printer->arena, count * sizeof *row + 1);
    for (uint32_t i = 0; row != NULL && i < count; i++) {
        row[i] = cells[i];
        char *copy = cells[i].at != NULL ? dv_arena_text(&printer->arena, cells[i].length + 1) : NULL;
        if (cells[i].at != NULL && copy == NULL)
            return false;
        if (copy != NULL)
            row[i].at = memcpy(copy, cells[i].at, cells[i].length);
    }
    if (row != NULL)
        printer->kept[printer->kept_count++] = row;
    return row != NULL;
}

static void table_row(struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    if (!printer->headed && keep(printer, cells, printer->column_count))
        return;
    if (!printer->headed)
        print_kept(printer);
    print_line(printer, cells);
}

/* ---- comma-separated ---- */

/* What a spreadsheet would compute, or let run: not a number. */
static bool is_formula(struct dv_snowflake_text text)
{
    static const char beginnings[] = { '=', '+', '-', '@', '\t', '\r', '\n' };
    char copy[DV_SNOWFLAKE_VALUE_MAX], *end = copy;
    if (text.length == 0 || memchr(beginnings, text.at[0], sizeof beginnings) == NULL)
        return false;
    if (text.length >= sizeof copy)
        return true;
    memcpy(copy, text.at, text.length);
    copy[text.length] = '\0';
    if (strspn(copy, "+-.0123456789eE") == text.length)
        (void)strtod(copy, &end);
    return end != copy + text.length;
}

static void put_bytes(const struct dv_query_printer *printer, const char *text, size_t length)
{
    if (printer->clean)
        dv_put_clean(stdout, text, length);
    else
        (void)fwrite(text, 1, length, stdout);
}

static void put_csv(const struct dv_query_printer *printer, struct dv_snowflake_text text)
{
    bool guarded = printer->guarded && is_formula(text);
    bool quoted = text.at != NULL && (text.length == 0 || memchr(text.at, '"', text.length) != NULL || memchr(text.at, ',', text.length) != NULL ||
                                      memchr(text.at, '\n', text.length) != NULL || memchr(text.at, '\r', text.length) != NULL);
    (void)fputs(quoted ? guarded ? "\"'" : "\"" : guarded ? "'" : "", stdout);
    for (size_t at = 0; text.at != NULL && at < text.length;) { /* nothing at all is SQL's NULL */
        const char *quote = memchr(text.at + at, '"', text.length - at);
        size_t length = quote != NULL ? (size_t)(quote - text.at) + 1 - at : text.length - at;
        put_bytes(printer, text.at + at, length);
        (void)fputs(quote != NULL ? "\"" : "", stdout);
        at += length;
    }
    (void)fputs(quoted ? "\"" : "", stdout);
}

static void csv_row(const struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    char room[DV_SNOWFLAKE_VALUE_MAX];
    for (uint32_t i = 0; i < printer->column_count; i++) {
        put_csv(printer, cells != NULL ? dv_snowflake_value_text(printer->columns[i].kind, cells[i], room) : printer->columns[i].name);
        (void)fputc(is_last(printer, i) ? '\n' : ',', stdout);
    }
}

/* ---- JSON ---- */

static unsigned code_of(const unsigned char *at, size_t step)
{
    if (step == 0)
        return 0xFFFD;
    return step == 1 ? at[0] : step == 2 ? (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu) : (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
}

/* What could steer a terminal stands in texts alone, and reads the same when it is escaped. */
static void put_json(const char *text, size_t length)
{
    size_t from = 0;
    for (size_t at = 0; at < length;) {
        size_t step = dv_utf8_step(text + at, length - at), next = at + (step > 0 ? step : 1);
        if (dv_utf8_steers(text + at, step)) {
            (void)fwrite(text + from, 1, at - from, stdout);
            (void)printf("\\u%04x", code_of((const unsigned char *)text + at, step));
            from = next;
        }
        at = next;
    }
    (void)fwrite(text + from, 1, length - from, stdout);
    (void)fputc('\n', stdout);
}

static dv_rc json_row(struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    DV_TRY(dv_snowflake_writer_row(&printer->writer, printer->columns, cells, printer->column_count));
    put_json(printer->writer.row.bytes, printer->writer.row.used);
    return DV_OK;
}

/* ---- bars ---- */

/* The first column of numbers, and the first of anything else. */
static int find_column(const struct dv_query_printer *printer, bool number)
{
    for (uint32_t i = 0; i < printer->column_count; i++)
        if (dv_snowflake_is_number(printer->columns[i].kind) == number)
            return (int)i;
    return -1;
}

static size_t terminal_columns(void)
{
    struct winsize size = { 0 };
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : PLOT_COLUMNS;
}

static double number_of(struct dv_snowflake_text cell)
{
    char text[DV_SNOWFLAKE_VALUE_MAX];
    size_t length = cell.length < sizeof text - 1 ? cell.length : sizeof text - 1;
    if (cell.at == NULL)
        return 0;
    memcpy(text, cell.at, length);
    text[length] = '\0';
    double number = strtod(text, NULL);
    return isfinite(number) ? number : 0;
}

/* Blocks, the last one an eighth of one at least; what is below zero is drawn hollow. */
static void put_bar(double number, double most, size_t columns)
{
    static const char *const parts[EIGHTHS] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    size_t eighths = most > 0 ? (size_t)(fabs(number) / most * (double)(columns * EIGHTHS) + 0.5) : 0;
    for (size_t i = 0; i < eighths / EIGHTHS; i++)
        (void)fputs(number < 0 ? "░" : "█", stdout);
    (void)fputs(number < 0 ? (eighths % EIGHTHS > 0 ? "░" : "") : parts[eighths % EIGHTHS], stdout);
}

/* Of a bar no more than is shown of it; false: there is no more room. */
static bool keep_bar(struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    struct dv_snowflake_text bar[BAR_CELLS] = { [VALUE] = cells[printer->value] };
    if (printer->label >= 0)
        bar[LABEL] = cells[printer->label];
    bar[LABEL].length = bytes_of(bar[LABEL], LABEL_MAX + 1);
    bar[VALUE].length = bytes_of(bar[VALUE], DV_SNOWFLAKE_VALUE_MAX);
    return keep(printer, bar, BAR_CELLS);
}

static size_t count_shown(const struct dv_query_printer *printer, int column, struct dv_snowflake_text cell)
{
    char room[DV_SNOWFLAKE_VALUE_MAX];
    struct dv_snowflake_text text = shown(printer, (uint32_t)column, cell, room);
    return dv_utf8_count(text.at, text.length);
}

static size_t at_most(size_t count, size_t most)
{
    return count < most ? count : most;
}

/* How wide the names and the figures are, and the largest of these. */
static double measure(const struct dv_query_printer *printer, size_t *ret_label, size_t *ret_figure)
{
    double most = 0;
    for (uint32_t row = 0; row < printer->kept_count; row++) {
        const struct dv_snowflake_text *bar = printer->kept[row];
        size_t wide = printer->label >= 0 ? count_shown(printer, printer->label, bar[LABEL]) : 0;
        size_t figure = count_shown(printer, printer->value, bar[VALUE]);
        double number = fabs(number_of(bar[VALUE]));
        most = number > most ? number : most;
        *ret_label = at_most(wide > *ret_label ? wide : *ret_label, LABEL_MAX);
        *ret_figure = at_most(figure > *ret_figure ? figure : *ret_figure, FIGURE_MAX);
    }
    return most;
}

static void plot(const struct dv_query_printer *printer)
{
    char room[DV_SNOWFLAKE_VALUE_MAX];
    size_t wide = 0, figure = 0;
    int label = printer->label, value = printer->value;
    double most = measure(printer, &wide, &figure);
    size_t used = wide + figure + 2 * (size_t)GAP + 1, columns = terminal_columns();
    size_t bar = columns > used + BAR_MIN ? columns - used : BAR_MIN;
    for (uint32_t row = 0; row < printer->kept_count; row++) {
        const struct dv_snowflake_text *cells = printer->kept[row];
        if (label >= 0)
            put_padded(shown(printer, (uint32_t)label, cells[LABEL], room), wide, false, false);
        (void)printf("%*s", label >= 0 ? GAP : 0, "");
        put_padded(shown(printer, (uint32_t)value, cells[VALUE], room), figure, true, false);
        (void)fputs("  ", stdout);
        put_bar(number_of(cells[VALUE]), most, bar);
        (void)fputc('\n', stdout);
    }
}

/* ---- the printer ---- */

dv_rc dv_query_printer_begin(struct dv_query_printer *printer, const struct dv_snowflake_column *columns, uint32_t count,
                             const char **ret_reason)
{
    printer->columns = columns;
    printer->column_count = count;
    printer->clean = isatty(STDOUT_FILENO) != 0;
    printer->label = find_column(printer, false);
    printer->value = find_column(printer, true);
    dv_arena_init(&printer->arena, kept_bytes);
    printer->widths = dv_arena_zeroed(&printer->arena, count + 1, sizeof *printer->widths);
    *ret_reason = "no memory for the result's columns";
    if (printer->widths == NULL || (printer->form == DV_QUERY_JSON && dv_snowflake_writer_begin(&printer->writer, columns, count, false) != DV_OK))
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < count && printer->form == DV_QUERY_TABLE; i++) {
        size_t wide = dv_utf8_count(columns[i].name.at, columns[i].name.length);
        printer->widths[i] = wide < DV_QUERY_WIDTH_MAX ? wide : DV_QUERY_WIDTH_MAX;
    }
    if (printer->form == DV_QUERY_CSV)
        csv_row(printer, NULL);
    *ret_reason = "--plot draws a column of numbers, and the result has none";
    return printer->form == DV_QUERY_PLOT && printer->value < 0 ? DV_E_DATA : DV_OK;
}

dv_rc dv_query_printer_row(struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    printer->rows++;
    switch (printer->form) {
    case DV_QUERY_TABLE: table_row(printer, cells); break;
    case DV_QUERY_CSV: csv_row(printer, cells); break;
    case DV_QUERY_PLOT: return keep_bar(printer, cells) ? DV_OK : DV_E_MEMORY;
    case DV_QUERY_JSON: return json_row(printer, cells);
    }
    return DV_OK;
}

void dv_query_printer_end(struct dv_query_printer *printer)
{
    if (printer->widths == NULL)
        return;
    if (printer->form == DV_QUERY_TABLE && !printer->headed)
        print_kept(printer);
    else if (printer->form == DV_QUERY_PLOT && printer->value >= 0)
        plot(printer);
    printer->kept_count = 0;
    (void)fflush(stdout);
}

void dv_query_printer_free(struct dv_query_printer *printer)
{
    if (printer->widths != NULL)
        dv_arena_free(&printer->arena);
    dv_snowflake_writer_free(&printer->writer);
}
