/* SPDX-License-Identifier: Apache-2.0
 * structure.c - the walk over lines, what the readers put, and its merging with what patterns and tagger found. */
#include "privacy/structure.h"

#include <string.h>

#include "engine/error.h"
#include "engine/memory.h"
#include "privacy/glance.h"
#include "privacy/spans.h"
#include "privacy/structure_parts.h"

enum {
    NESTED_MAX = 2,
    INLINE_MIN = 8,
    PLAIN_WORDS_MAX = 4,
    PLAIN_BYTES_MAX = 128,
    VOTE_CELLS_MIN = 3,
    VOTE_SCORE = 580,
    LATER_SCORE = 500
};

struct dv_structure *dv_structure_new(void)
{
    struct dv_structure *structure = dv_memory_zeroed(1, sizeof *structure);
    if (structure != NULL)
        dv_key_names_init(&structure->names);
    return structure;
}

void dv_structure_free(struct dv_structure *structure)
{
    if (structure != NULL)
        explicit_bzero(structure, sizeof *structure);
    dv_memory_free(structure);
}

uint32_t dv_text_skip_blanks(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    while (at < end && (structure->text[at] == ' ' || structure->text[at] == '\t'))
        at++;
    return at;
}

static bool is_space(unsigned char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

uint32_t dv_text_skip_space(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    while (at < end && is_space(structure->text[at]))
        at++;
    return at;
}

uint32_t dv_text_find(const struct dv_structure *structure, uint32_t from, uint32_t to, unsigned char byte)
{
    const unsigned char *found = from < to ? memchr(structure->text + from, byte, to - from) : NULL;
    return found != NULL ? (uint32_t)(found - structure->text) : to;
}

bool dv_range_is(const struct dv_structure *structure, struct dv_range range, const char *word)
{
    uint32_t at = range.start;
    for (; at < range.end && *word != '\0'; at++, word++)
        if ((structure->text[at] | 0x20) != (unsigned char)(*word | 0x20))
            return false;
    return at == range.end && *word == '\0';
}

struct dv_range dv_range_trim(const struct dv_structure *structure, struct dv_range range)
{
    const unsigned char *text = structure->text;
    while (range.start < range.end && is_space(text[range.start]))
        range.start++;
    while (range.start < range.end && is_space(text[range.end - 1]))
        range.end--;
    bool quoted = range.end - range.start >= 2 && text[range.start] == text[range.end - 1] &&
                  (text[range.start] == '"' || text[range.start] == '\'');
    if (quoted) {
        range.start++;
        range.end--;
    }
    return range;
}

static uint32_t hash_of(const struct dv_structure *structure, struct dv_range range, uint32_t hash)
{
    uint32_t end = range.end - range.start > DV_KEY_BYTES_MAX ? range.start + DV_KEY_BYTES_MAX : range.end;
    for (uint32_t at = range.start; at < end; at++)
        hash = (hash ^ structure->text[at]) * 16777619u;
    return hash ^ hash >> 13;
}

static bool is_same(const struct dv_structure *structure, struct dv_range a, struct dv_range b)
{
    uint32_t length = a.end - a.start;
    return length == b.end - b.start && memcmp(structure->text + a.start, structure->text + b.start, length) == 0;
}

struct dv_key_hint dv_structure_hint(struct dv_structure *structure, struct dv_range key, struct dv_range around)
{
    uint32_t length = key.end - key.start, around_length = around.end - around.start;
    if (length == 0 || length > DV_KEY_BYTES_MAX)
        return (struct dv_key_hint){ .sense = DV_KEY_UNKNOWN };
    if (around_length > DV_KEY_BYTES_MAX)
        around.end = around.start;
    uint32_t hash = hash_of(structure, around, hash_of(structure, key, 2166136261u));
    struct dv_kept_hint *kept = &structure->kept[hash % DV_HINTS_KEPT];
    if (kept->turn != structure->turn || !is_same(structure, kept->key, key) || !is_same(structure, kept->around, around)) {
        const char *text = (const char *)structure->text;
        *kept = (struct dv_kept_hint){ .turn = structure->turn, .key = key, .around = around };
        kept->hint = dv_key_names_find(&structure->names, text + key.start, length, text + around.start,
                                       around.end - around.start);
    }
    return kept->hint;
}

struct dv_key_hint dv_structure_carried(struct dv_structure *structure, struct dv_key_hint own, struct dv_range label,
                                        struct dv_range around, struct dv_range further)
{
    if (own.sense != DV_KEY_CARRIER && own.sense != DV_KEY_UNKNOWN)
        return own;
    const struct dv_range none = { 0 };
    struct dv_key_hint said = dv_structure_hint(structure, label, none);
    if (said.sense == DV_KEY_PERSONAL || said.sense == DV_KEY_PLAIN)
        return said;
    return own.sense == DV_KEY_CARRIER ? dv_structure_hint(structure, around, further) : own;
}

static bool is_of_people(const struct dv_key_hint *hint)
{
    bool of_things = hint->type == DV_PII_LOCATION || hint->type == DV_PII_IP || hint->type == DV_PII_URL ||
                     hint->type == DV_PII_DATE;
    return hint->sense == DV_KEY_PERSONAL && hint->score >= DV_KEY_SURE && !of_things;
}

void dv_structure_heads_read(struct dv_structure *structure, struct dv_table *table)
{
    const struct dv_range none = { 0 };
    table->people = false;
    for (uint32_t i = 0; i < table->columns && i < DV_TABLE_COLUMNS; i++) {
        struct dv_key_hint hint = dv_structure_hint(structure, table->head[i], none);
        table->people = table->people || is_of_people(&hint);
    }
}

struct dv_key_hint dv_structure_head_hint(struct dv_structure *structure, const struct dv_table *table,
                                          struct dv_range head)
{
    struct dv_key_hint hint = dv_structure_hint(structure, head, (struct dv_range){ 0 });
    if (table->people && hint.sense == DV_KEY_PERSONAL && hint.form == DV_FORM_NAME && hint.score < DV_KEY_SURE)
        hint.score = DV_KEY_SURE;
    return hint;
}

uint32_t dv_column_of(const struct dv_structure *structure, struct dv_range key, struct dv_range around)
{
    return hash_of(structure, around, hash_of(structure, key, 709607u)) | 1;
}

uint32_t dv_column_number(uint32_t table, uint32_t column)
{
    return ((table * 2654435761u) ^ (column * 40503u)) | 1;
}

/* The column of a hash; none when there are too many. */
static struct dv_column *column_of(struct dv_structure *structure, uint32_t hash)
{
    uint32_t at = hash % DV_COLUMNS_MAX;
    while (structure->columns[at].turn == structure->turn && structure->columns[at].hash != hash)
        at = (at + 1) % DV_COLUMNS_MAX;
    if (structure->columns[at].turn == structure->turn)
        return &structure->columns[at];
    if (structure->column_count == DV_COLUMNS_MAX / 2)
        return NULL;
    structure->column_count++;
    structure->columns[at] = (struct dv_column){ .turn = structure->turn, .hash = hash };
    return &structure->columns[at];
}

static void add_cell(struct dv_structure *structure, const struct dv_field *field)
{
    if (field->column == 0 || structure->cell_count == DV_STRUCTURE_CELLS)
        return;
    const struct dv_column *column = column_of(structure, field->column);
    if (column == NULL)
        return;
    structure->cells[structure->cell_count++] =
        (struct dv_cell){ .value = field->value, .column = (uint32_t)(column - structure->columns) };
}

/* No room for another: the last takes the rest of the text, as everywhere. */
static void add_span(struct dv_structure *structure, struct dv_range value, const struct dv_key_hint *hint,
                     const char *why)
{
    if ((structure->types >> hint->type & 1u) == 0)
        return;
    if (structure->span_count == DV_STRUCTURE_SPANS) {
        struct dv_span *last = &structure->spans[DV_STRUCTURE_SPANS - 1];
        *last = (struct dv_span){ .start = last->start,
                                  .end = structure->length,
                                  .type = DV_PII_OTHER,
                                  .score = 1000,
                                  .why = "too many findings: the rest is covered" };
        return;
    }
    structure->spans[structure->span_count++] = (struct dv_span){
        .start = value.start, .end = value.end, .type = hint->type, .score = hint->score, .why = why
    };
}

static uint32_t last_end(const struct dv_structure *structure)
{
    return structure->span_count > 0 ? structure->spans[structure->span_count - 1].end : 0;
}

void dv_structure_put_plain(struct dv_structure *structure, struct dv_range range)
{
    uint32_t before = structure->plain_count > 0 ? structure->plain[structure->plain_count - 1].end : 0;
    if (range.start < range.end && range.start >= before && structure->plain_count < DV_STRUCTURE_SPANS)
        structure->plain[structure->plain_count++] = (struct dv_span){ .start = range.start, .end = range.end };
}

static void add_plain(struct dv_structure *structure, struct dv_range value)
{
    if (value.end - value.start <= PLAIN_BYTES_MAX && dv_value_words(structure, value) <= PLAIN_WORDS_MAX)
        dv_structure_put_plain(structure, value);
}

/* What the tagger may know better: its type and its end count if it finds anything there. */
static void add_later(struct dv_structure *structure, struct dv_range value, const struct dv_key_hint *hint,
                      const char *why)
{
    uint32_t before = structure->later_count > 0 ? structure->later[structure->later_count - 1].end : 0;
    bool wanted = (structure->types >> hint->type & 1u) != 0;
    if (wanted && value.start >= before && structure->later_count < DV_STRUCTURE_SPANS)
        structure->later[structure->later_count++] = (struct dv_span){
            .start = value.start, .end = value.end, .type = hint->type, .score = LATER_SCORE, .why = why
        };
}

static bool is_weak_name(const struct dv_key_hint *hint)
{
    return hint->sense == DV_KEY_PERSONAL && hint->form == DV_FORM_NAME && hint->score < DV_KEY_SURE;
}

void dv_structure_put(struct dv_structure *structure, const struct dv_field *given)
{
    struct dv_field field = *given;
    field.value = dv_range_trim(structure, field.value);
    if (field.value.start < last_end(structure) || dv_value_is_void(structure, field.value))
        return;
    if (field.hint.sense == DV_KEY_PLAIN || field.hint.sense == DV_KEY_LABEL) {
        add_plain(structure, field.value);
        return;
    }
    struct dv_range value = field.value;
    if (field.hint.sense == DV_KEY_PERSONAL && dv_value_fits(structure, &field.hint, &value)) {
        if (field.prose)
            add_later(structure, value, &field.hint, field.why);
        else
            add_span(structure, value, &field.hint, field.why);
        return;
    }
    if (is_weak_name(&field.hint) && dv_value_is_handle(structure, value))
        dv_structure_put_plain(structure, value);
    add_cell(structure, &field);
    if (value.end - value.start >= INLINE_MIN && structure->nested < NESTED_MAX) {
        structure->nested++;
        dv_read_inline(structure, value.start, value.end);
        structure->nested--;
    }
}

void dv_structure_put_typed(struct dv_structure *structure, struct dv_range value, enum dv_pii type,
                            enum dv_key_form form, const char *why)
{
    const struct dv_field field = {
        .value = value,
        .hint = { .sense = DV_KEY_PERSONAL, .type = type, .form = form, .score = 960 },
        .why = why,
    };
    dv_structure_put(structure, &field);
}

void dv_read_inline(struct dv_structure *structure, uint32_t from, uint32_t to)
{
    uint32_t begin = from; /* of what keys may be read back to */
    for (uint32_t at = from; at < to;) {
        uint32_t next = at;
        switch (structure->text[at]) {
        case '{':
        case '[': next = dv_read_json(structure, at, to); break;
        case '<': next = dv_read_tag(structure, at, to); break;
        case '=':
        case ':': next = dv_read_pair(structure, begin, at, to); break;
        case '(': next = dv_read_sql(structure, begin, at, to); break;
        default: break;
        }
        begin = next > at ? next : begin;
        at = next > at ? next : at + 1;
    }
}

/* One line, or what begins in it and goes on; gives where to go on. */
static uint32_t read_line(struct dv_structure *structure, uint32_t at, uint32_t seen)
{
    uint32_t next = at;
    if (seen & DV_SEEN_SEGMENTS)
        next = dv_read_hl7(structure, at);
    if (next == at && (seen & DV_SEEN_SEGMENTS))
        next = dv_read_x12(structure, at);
    if (next == at && (seen & DV_SEEN_MARKS) && (seen & DV_SEEN_LINES))
        next = dv_read_rows(structure, at);
    return next;
}

/* Whether a text holds what a reader needs: most prose does not. */
static bool is_worth_reading(uint32_t seen)
{
    const uint32_t rows = DV_SEEN_MARKS | DV_SEEN_LINES;
    return (seen & (DV_SEEN_OPENS | DV_SEEN_SEGMENTS)) != 0 || (seen & rows) == rows;
}

/* The readers within a line may go on behind it: a JSON object on many lines. */
static void read_text(struct dv_structure *structure, uint32_t seen)
{
    for (uint32_t at = 0; at < structure->length;) {
        uint32_t next = read_line(structure, at, seen);
        if (next > at) {
            at = next;
            continue;
        }
        uint32_t end = dv_text_find(structure, at, structure->length, '\n');
        at = dv_read_access_log(structure, at, end);
        uint32_t begin = at;
        while (at < end) {
            next = at;
            switch (structure->text[at]) {
            case '{':
            case '[': next = dv_read_json(structure, at, structure->length); break;
            case '<': next = dv_read_tag(structure, at, structure->length); break;
            case '=':
            case ':': next = dv_read_pair(structure, begin, at, end); break;
            case '(': next = dv_read_sql(structure, begin, at, structure->length); break;
            default: break;
            }
            begin = next > at ? next : begin;
            at = next > at ? next : at + 1;
            while (at < end && (dv_seen_of[structure->text[at]] & DV_SEEN_OPENS) == 0)
                at++;
            if (at > end)
                end = dv_text_find(structure, at, structure->length, '\n');
        }
        at = end + 1;
    }
}

/* A new text: nothing of the last one counts. Numbers of turns come round after four thousand million texts. */
static void begin_turn(struct dv_structure *structure)
{
    if (++structure->turn != 0)
        return;
    memset(structure->columns, 0, sizeof structure->columns);
    memset(structure->kept, 0, sizeof structure->kept);
    structure->turn = 1;
}

static void close_table(struct dv_table *table)
{
    table->columns = table->number = 0;
    table->mark = 0;
    table->headed = table->people = false;
}

static void begin(struct dv_structure *structure, const char *text, size_t length, uint32_t types)
{
    structure->text = (const unsigned char *)text;
    structure->length = (uint32_t)length;
    structure->types = types | 1u << DV_PII_OTHER;
    structure->column_count = structure->depth = structure->nested = 0;
    close_table(&structure->table);
    close_table(&structure->html);
    close_table(&structure->sql);
    structure->html_column = structure->html_heads = structure->block_indent = 0;
    structure->html_label = structure->block = (struct dv_range){ 0 };
    structure->hl7_mark = structure->x12_mark = 0;
    structure->x12_person = false;
    begin_turn(structure);
}

size_t dv_structure_find(struct dv_structure *structure, const char *text, size_t length, uint32_t seen, uint32_t types,
                         struct dv_span *spans, size_t count, size_t max)
{
    DV_ASSERT(max > 0 && count <= max && length <= UINT32_MAX);
    structure->span_count = structure->later_count = structure->plain_count = structure->cell_count = 0;
    if (!is_worth_reading(seen))
        return count;
    begin(structure, text, length, types);
    read_text(structure, seen);
    return dv_spans_merge(spans, count, max, structure->spans, structure->span_count, structure->length);
}

const struct dv_span *dv_structure_plain(const struct dv_structure *structure, size_t *ret_count)
{
    *ret_count = structure->plain_count;
    return structure->plain;
}

/* The span that covers most of the cell's start; *next moves on. */
static const struct dv_span *span_over(const struct dv_span *spans, size_t count, size_t *next, struct dv_range value)
{
    while (*next < count && spans[*next].end <= value.start)
        (*next)++;
    bool over = *next < count && spans[*next].start < value.end;
    return over ? &spans[*next] : NULL;
}

static void count_votes(struct dv_structure *structure, const struct dv_span *spans, size_t count)
{
    size_t next = 0;
    for (size_t i = 0; i < structure->cell_count; i++) {
        struct dv_column *column = &structure->columns[structure->cells[i].column];
        const struct dv_span *span = span_over(spans, count, &next, structure->cells[i].value);
        column->cells++;
        if (span != NULL && span->start <= structure->cells[i].value.start &&
            span->end >= structure->cells[i].value.end)
            column->votes[span->type]++;
    }
}

/* What most values of the column are; DV_PII_COUNT for nothing. */
static enum dv_pii elected(const struct dv_column *column)
{
    for (uint32_t type = DV_PII_OTHER + 1; type < DV_PII_COUNT; type++)
        if (column->cells >= VOTE_CELLS_MIN && column->votes[type] * 2 > column->cells)
            return (enum dv_pii)type;
    return DV_PII_COUNT;
}

static bool agrees(const struct dv_structure *structure, enum dv_pii type, struct dv_range *value)
{
    static const enum dv_key_form forms[DV_PII_COUNT] = {
        [DV_PII_PERSON] = DV_FORM_NAME,        [DV_PII_LOCATION] = DV_FORM_PLACE, [DV_PII_DATE] = DV_FORM_DATE,
        [DV_PII_PHONE] = DV_FORM_PHONE,        [DV_PII_USERNAME] = DV_FORM_USER,  [DV_PII_SSN] = DV_FORM_NUMBER,
        [DV_PII_MRN] = DV_FORM_NUMBER,         [DV_PII_ID] = DV_FORM_NUMBER,      [DV_PII_ACCOUNT] = DV_FORM_NUMBER,
        [DV_PII_CREDIT_CARD] = DV_FORM_NUMBER,
    };
    const struct dv_key_hint hint = {
        .sense = DV_KEY_PERSONAL, .type = type, .form = forms[type], .score = VOTE_SCORE
    };
    return dv_value_fits(structure, &hint, value);
}

size_t dv_structure_vote(struct dv_structure *structure, struct dv_span *spans, size_t count, size_t max)
{
    count = dv_spans_merge(spans, count, max, structure->later, structure->later_count, structure->length);
    if (structure->cell_count < VOTE_CELLS_MIN)
        return count;
    count_votes(structure, spans, count);
    size_t next = 0, added = 0;
    for (size_t i = 0; i < structure->cell_count && added < DV_STRUCTURE_SPANS; i++) {
        struct dv_range value = structure->cells[i].value;
        enum dv_pii type = elected(&structure->columns[structure->cells[i].column]);
        if (type == DV_PII_COUNT || span_over(spans, count, &next, value) != NULL || !agrees(structure, type, &value))
            continue;
        structure->spans[added++] = (struct dv_span){ .start = value.start,
                                                      .end = value.end,
                                                      .type = type,
                                                      .score = VOTE_SCORE,
                                                      .why = "most values of its column are" };
    }
    return dv_spans_merge(spans, count, max, structure->spans, added, structure->length);
}
