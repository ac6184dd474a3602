/* SPDX-License-Identifier: Apache-2.0
 * structure_rows.c - rows of values: CSV, TSV, ';' and '|' between them, Markdown's tables, and SQL's INSERT.
 *
 * A row is a line (quotes may hold line ends). Where a line has marks as often as the one below it and names fields, it is
 * a head; without a head there must be three rows alike, whose columns are then known by their values alone. */
#include <string.h>

#include "privacy/detect_rows.h"
#include "privacy/structure_parts.h"

enum { HEAD_BYTES_MAX = 48, QUOTED_MAX = 8192, CELL_MEAN_MAX = 40, SQL_WORD_MAX = 8 };

/* A row while it is cut. */
struct row {
    const struct dv_structure *structure;
    uint32_t at, end; /* end: of the text */
    unsigned char mark;
    bool done;
};

static bool is_line_end(const struct dv_structure *structure, uint32_t at)
{
    return at >= structure->length || structure->text[at] == '\n' || structure->text[at] == '\r';
}

/* Behind the quoted part at `at`; "" within it is a quote. One that does not end is no quote. */
static uint32_t skip_quoted(const struct dv_structure *structure, uint32_t at)
{
    uint32_t limit = structure->length - at > QUOTED_MAX ? at + QUOTED_MAX : structure->length;
    for (uint32_t next = at + 1; next < limit; next++) {
        if (structure->text[next] != '"')
            continue;
        if (dv_text_byte(structure, next + 1) != '"')
            return next + 1;
        next++;
    }
    return at + 1;
}

/* The next cell; false behind the last. */
static bool next_cell(struct row *row, struct dv_range *ret_cell)
{
    const struct dv_structure *structure = row->structure;
    if (row->done)
        return false;
    uint32_t at = row->mark == '\t' ? row->at : dv_text_skip_blanks(structure, row->at, row->end);
    if (at < row->end && structure->text[at] == '"')
        at = skip_quoted(structure, at);
    while (at < row->end && structure->text[at] != row->mark && !is_line_end(structure, at))
        at++;
    *ret_cell = (struct dv_range){ row->at, at };
    row->done = is_line_end(structure, at);
    row->at = row->done ? at : at + 1;
    return true;
}

static struct row row_at(const struct dv_structure *structure, uint32_t at, unsigned char mark)
{
    return (struct row){ .structure = structure, .at = at, .end = structure->length, .mark = mark };
}

/* Where the line after a row begins. */
static uint32_t line_after(const struct dv_structure *structure, uint32_t at)
{
    at += dv_text_byte(structure, at) == '\r';
    return at + (dv_text_byte(structure, at) == '\n');
}

/* How many cells the line has; *ret_next is the line after. */
static uint32_t count_cells(const struct dv_structure *structure, uint32_t at, unsigned char mark, uint32_t *ret_next)
{
    struct row row = row_at(structure, at, mark);
    struct dv_range cell;
    uint32_t count = 0;
    while (next_cell(&row, &cell))
        count++;
    *ret_next = line_after(structure, row.at);
    return count;
}

/* "|---|:--|": between a table's head and rows. */
static bool is_ruler(const struct dv_structure *structure, uint32_t at)
{
    bool dashes = false;
    for (; !is_line_end(structure, at); at++) {
        if (strchr("|-:+= \t", structure->text[at]) == NULL)
            return false;
        dashes |= structure->text[at] == '-';
    }
    return dashes;
}

/* Whether the cells of the line are names of fields: short, without numbers, and known. */
static bool is_head(struct dv_structure *structure, uint32_t at, unsigned char mark)
{
    const struct dv_range none = { 0 };
    struct row row = row_at(structure, at, mark);
    struct dv_range cell;
    uint32_t cells = 0, known = 0, personal = 0;
    while (next_cell(&row, &cell)) {
        cell = dv_range_trim(structure, cell);
        if (cell.start == cell.end)
            continue;
        if (cell.end - cell.start > HEAD_BYTES_MAX || dv_is_digit(structure->text[cell.start]) ||
            memchr(structure->text + cell.start, '@', cell.end - cell.start) != NULL ||
            memchr(structure->text + cell.start, ':', cell.end - cell.start) != NULL)
            return false;
        enum dv_key_sense sense = dv_structure_hint(structure, cell, none).sense;
        cells++;
        known += sense != DV_KEY_UNKNOWN;
        personal += sense == DV_KEY_PERSONAL;
    }
    return cells >= 2 && ((known * 3 >= cells && personal > 0) || known * 2 > cells);
}

static void read_head(struct dv_structure *structure, uint32_t at, unsigned char mark, uint32_t columns)
{
    struct row row = row_at(structure, at, mark);
    struct dv_range cell;
    structure->table =
        (struct dv_table){ .columns = columns, .number = structure->table.number + 1, .mark = mark, .headed = true };
    for (uint32_t i = 0; i < DV_TABLE_COLUMNS && next_cell(&row, &cell); i++)
        structure->table.head[i] = dv_range_trim(structure, cell);
    dv_structure_put_plain(structure, (struct dv_range){ at, row.at });
    dv_structure_heads_read(structure, &structure->table);
}

static uint32_t put_row(struct dv_structure *structure, uint32_t at)
{
    const struct dv_range none = { 0 };
    struct row row = row_at(structure, at, structure->table.mark);
    struct dv_range cell;
    for (uint32_t i = 0; next_cell(&row, &cell); i++) {
        struct dv_range key = structure->table.headed && i < DV_TABLE_COLUMNS ? structure->table.head[i] : none;
        const struct dv_field field = {
            .value = cell,
            .hint = dv_structure_head_hint(structure, &structure->table, key),
            .column = dv_column_number(structure->table.number, i),
            .why = "the head of its column",
        };
        dv_structure_put(structure, &field);
    }
    return line_after(structure, row.at);
}

/* The marks that the line may be cut at: whichever it has most of, ',' last. */
static unsigned char mark_of(const struct dv_structure *structure, uint32_t at)
{
    uint32_t tabs = 0, pipes = 0, semicolons = 0, commas = 0;
    for (; !is_line_end(structure, at); at++) {
        unsigned char byte = structure->text[at];
        tabs += byte == '\t';
        pipes += byte == '|';
        semicolons += byte == ';';
        commas += byte == ',';
    }
    if (tabs > 0 && tabs >= pipes)
        return '\t';
    if (pipes > 0)
        return '|';
    return semicolons > 0 && semicolons >= commas ? ';' : commas > 0 ? ',' : 0;
}

/* Three lines alike, with short cells and no blanks behind commas. */
static bool is_headless(const struct dv_structure *structure, uint32_t at, unsigned char mark, uint32_t cells)
{
    uint32_t next = 0;
    for (uint32_t line = 0, from = at; line < 3; line++, from = next) {
        if (from >= structure->length || count_cells(structure, from, mark, &next) != cells)
            return false;
        if (next - from > cells * CELL_MEAN_MAX)
            return false;
        uint32_t comma = dv_text_find(structure, from, next, mark);
        if (mark == ',' && dv_text_byte(structure, comma + 1) == ' ')
            return false;
    }
    return true;
}

/* Whether a table begins with this line; reads its head. */
static uint32_t begin_table(struct dv_structure *structure, uint32_t at, unsigned char mark, uint32_t cells,
                            uint32_t next)
{
    uint32_t after = 0;
    bool head = is_head(structure, at, mark);
    if (head && next < structure->length && is_ruler(structure, next))
        count_cells(structure, next, mark, &next);
    uint32_t below = next < structure->length ? count_cells(structure, next, mark, &after) : 0;
    if (head && (below == cells || (cells > 2 && below + 1 >= cells && below <= cells + 2))) {
        read_head(structure, at, mark, cells);
        return next;
    }
    if (cells < 3 || !is_headless(structure, at, mark, cells))
        return at;
    structure->table = (struct dv_table){ .columns = cells, .number = structure->table.number + 1, .mark = mark };
    return put_row(structure, at);
}

uint32_t dv_read_rows(struct dv_structure *structure, uint32_t at)
{
    if (structure->text[at] == '{' || structure->text[at] == '[' || structure->text[at] == '<')
        return at;
    unsigned char mark = mark_of(structure, at);
    if (mark == 0)
        return at;
    uint32_t next = 0;
    if (structure->table.columns > 0 && structure->table.mark != mark && structure->table.headed) {
        uint32_t cells = count_cells(structure, at, structure->table.mark, &next);
        mark = cells == structure->table.columns ? structure->table.mark : mark;
    }
    uint32_t cells = count_cells(structure, at, mark, &next);
    if (cells < 2)
        return at;
    if (structure->table.columns > 0 && structure->table.mark == mark) {
        bool same = cells == structure->table.columns;
        bool near = structure->table.headed && cells > structure->table.columns &&
                    cells <= structure->table.columns + 2 && cells > 3;
        if ((same || near) && !is_ruler(structure, at))
            return put_row(structure, at);
    }
    return begin_table(structure, at, mark, cells, next);
}

/* The word that ends before `at`, blanks between. */
static struct dv_range word_before(const struct dv_structure *structure, uint32_t from, uint32_t at)
{
    while (at > from && structure->text[at - 1] <= ' ')
        at--;
    struct dv_range word = { at, at };
    while (word.start > from && at - word.start < HEAD_BYTES_MAX &&
           (dv_is_alnum(structure->text[word.start - 1]) || strchr("_.\"`[]", structure->text[word.start - 1]) != NULL))
        word.start--;
    return word;
}

/* One value or name of a list in parentheses; false behind the last. */
static bool next_item(const struct dv_structure *structure, uint32_t *at, uint32_t end, struct dv_range *ret_item)
{
    uint32_t next = dv_text_skip_space(structure, *at, end);
    if (next == end || structure->text[next] == ')')
        return false;
    unsigned char quote = structure->text[next];
    *ret_item = (struct dv_range){ next, next };
    if (quote == '\'' || quote == '"' || quote == '`') {
        uint32_t to = dv_text_find(structure, next + 1, end, quote);
        while (to + 1 < end && structure->text[to + 1] == quote)
            to = dv_text_find(structure, to + 2, end, quote);
        *ret_item = (struct dv_range){ next + 1, to };
        next = to < end ? to + 1 : end;
    }
    while (next < end && structure->text[next] != ',' && structure->text[next] != ')' && structure->text[next] != '\n')
        next++;
    if (quote != '\'' && quote != '"' && quote != '`')
        ret_item->end = next;
    *at = next + (next < end && structure->text[next] == ',');
    return next < end && structure->text[next] != '\n';
}

static uint32_t read_columns(struct dv_structure *structure, uint32_t at, uint32_t end)
{
    struct dv_range item;
    uint32_t count = 0;
    while (count < DV_TABLE_COLUMNS && next_item(structure, &at, end, &item))
        structure->sql.head[count++] = dv_range_trim(structure, item);
    structure->sql.columns = count;
    structure->sql.number++;
    dv_structure_heads_read(structure, &structure->sql);
    return at;
}

static uint32_t read_values(struct dv_structure *structure, uint32_t at, uint32_t end)
{
    const struct dv_range none = { 0 };
    struct dv_range item;
    for (uint32_t i = 0; next_item(structure, &at, end, &item); i++) {
        struct dv_range key = i < structure->sql.columns ? structure->sql.head[i] : none;
        const struct dv_field field = {
            .value = item,
            .hint = dv_structure_head_hint(structure, &structure->sql, key),
            .column = dv_column_number(~structure->sql.number, i),
            .why = "the name of its column",
        };
        dv_structure_put(structure, &field);
    }
    return at;
}

/* "INSERT INTO t (a, b) VALUES (1, 2), (3, 4)": the parenthesis at `at` is one of these, or none. */
uint32_t dv_read_sql(struct dv_structure *structure, uint32_t from, uint32_t at, uint32_t end)
{
    struct dv_range word = word_before(structure, from, at);
    if (dv_range_is(structure, word, "values"))
        return read_values(structure, at + 1, end);
    bool another = word.start == word.end && word.start > from && structure->text[word.start - 1] == ',' &&
                   structure->sql.columns > 0 && word.start > from + 1 && structure->text[word.start - 2] == ')';
    if (another)
        return read_values(structure, at + 1, end);
    struct dv_range into = word_before(structure, from, word.start);
    if (!dv_range_is(structure, into, "into") && !dv_range_is(structure, into, "table"))
        return at;
    return read_columns(structure, at + 1, end);
}
