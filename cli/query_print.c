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
static bool keep(struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    if (printer->kept_count == DV_QUERY_KEPT_ROWS)
        return false;
    struct dv_snowflake_text *row = dv_arena_alloc(&printer->arena, printer->column_count * sizeof *row + 1);
    for (uint32_t i = 0; row != NULL && i < printer->column_count; i++) {
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
    if (!printer->headed && keep(printer, cells))
        return;
    if (!printer->headed)
        print_kept(printer);
    print_line(printer, cells);
}

/* ---- comma-separated ---- */

static void put_csv(struct dv_snowflake_text text)
{
    bool quoted = text.at != NULL && (text.length == 0 || memchr(text.at, '"', text.length) != NULL || memchr(text.at, ',', text.length) != NULL ||
                                      memchr(text.at, '\n', text.length) != NULL || memchr(text.at, '\r', text.length) != NULL);
    if (!quoted) { /* nothing at all is SQL's NULL */
        (void)fwrite(text.at != NULL ? text.at : "", 1, text.length, stdout);
        return;
    }
    (void)fputc('"', stdout);
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] == '"')
            (void)fputc('"', stdout);
        (void)fputc(text.at[i], stdout);
    }
    (void)fputc('"', stdout);
}

static void csv_row(const struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    char room[DV_SNOWFLAKE_VALUE_MAX];
    for (uint32_t i = 0; i < printer->column_count; i++) {
        put_csv(cells != NULL ? dv_snowflake_value_text(printer->columns[i].kind, cells[i], room) : printer->columns[i].name);
        (void)fputc(is_last(printer, i) ? '\n' : ',', stdout);
    }
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

/* How wide the names and the figures are, and the largest of these. */
static double measure(struct dv_query_printer *printer, int label, int value, size_t *ret_label, size_t *ret_figure)
{
    double most = 0;
    for (uint32_t row = 0; row < printer->kept_count; row++) {
        widen(printer, printer->kept[row]);
        double number = fabs(number_of(printer->kept[row][value]));
        most = number > most ? number : most;
    }
    size_t wide = label >= 0 ? printer->widths[label] : 0, figure = printer->widths[value];
    *ret_label = wide < LABEL_MAX ? wide : LABEL_MAX;
    *ret_figure = figure < FIGURE_MAX ? figure : FIGURE_MAX;
    return most;
}

static void plot(struct dv_query_printer *printer)
{
    char room[DV_SNOWFLAKE_VALUE_MAX];
    size_t wide = 0, figure = 0;
    int label = find_column(printer, false), value = find_column(printer, true);
    double most = measure(printer, label, value, &wide, &figure);
    size_t used = wide + figure + 2 * (size_t)GAP + 1, columns = terminal_columns();
    size_t bar = columns > used + BAR_MIN ? columns - used : BAR_MIN;
    for (uint32_t row = 0; row < printer->kept_count; row++) {
        const struct dv_snowflake_text *cells = printer->kept[row];
        if (label >= 0)
            put_padded(shown(printer, (uint32_t)label, cells[label], room), wide, false, false);
        (void)printf("%*s", label >= 0 ? GAP : 0, "");
        put_padded(shown(printer, (uint32_t)value, cells[value], room), figure, true, false);
        (void)fputs("  ", stdout);
        put_bar(number_of(cells[value]), most, bar);
        (void)fputc('\n', stdout);
    }
}

/* ---- the printer ---- */

dv_rc dv_query_printer_begin(struct dv_query_printer *printer, const struct dv_snowflake_column *columns, uint32_t count,
                             const char **ret_reason)
{
    printer->columns = columns;
    printer->column_count = count;
    dv_arena_init(&printer->arena, kept_bytes);
    printer->widths = dv_arena_zeroed(&printer->arena, count + 1, sizeof *printer->widths);
    *ret_reason = "no memory for the result's columns";
    if (printer->widths == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < count && printer->form == DV_QUERY_TABLE; i++) {
        size_t wide = dv_utf8_count(columns[i].name.at, columns[i].name.length);
        printer->widths[i] = wide < DV_QUERY_WIDTH_MAX ? wide : DV_QUERY_WIDTH_MAX;
    }
    if (printer->form == DV_QUERY_CSV)
        csv_row(printer, NULL);
    *ret_reason = "--plot draws a column of numbers, and the result has none";
    return printer->form == DV_QUERY_PLOT && find_column(printer, true) < 0 ? DV_E_DATA : DV_OK;
}

dv_rc dv_query_printer_row(struct dv_query_printer *printer, const struct dv_snowflake_text *cells)
{
    dv_rc rc = DV_OK;
    printer->rows++;
    switch (printer->form) {
    case DV_QUERY_TABLE: table_row(printer, cells); break;
    case DV_QUERY_CSV: csv_row(printer, cells); break;
    case DV_QUERY_PLOT: return keep(printer, cells) ? DV_OK : DV_E_MEMORY;
    case DV_QUERY_JSON:
        rc = dv_snowflake_writer_row(&printer->writer, printer->columns, cells, printer->column_count, false);
        if (rc == DV_OK) {
            (void)fwrite(printer->writer.row.bytes, 1, printer->writer.row.used, stdout);
            (void)fputc('\n', stdout);
        }
        break;
    }
    return rc;
}

void dv_query_printer_end(struct dv_query_printer *printer)
{
    if (printer->widths == NULL)
        return;
    if (printer->form == DV_QUERY_TABLE && !printer->headed)
        print_kept(printer);
    else if (printer->form == DV_QUERY_PLOT)
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
