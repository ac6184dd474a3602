/* SPDX-License-Identifier: Apache-2.0
 * structure_tag.c - XML, FHIR, CDA and HTML: elements, attributes, and tables with heads.
 *
 * One tag at a time: the elements that are open are kept between calls, and an element's text is taken when its tag is
 * read and the next one closes it. So text that only looks like a tag changes nothing of what follows. */
#include <string.h>

#include "privacy/detect_rows.h"
#include "privacy/structure_parts.h"

enum { NAME_MAX_BYTES = 64, ATTRIBUTES_MAX = 64, LEAF_MAX = 1 << 16 };

static const char why[] = "the name of its element";

static bool is_name(unsigned char byte)
{
    return dv_is_alnum(byte) || byte >= 0x80 || byte == '_' || byte == '-' || byte == '.' || byte == ':';
}

static struct dv_range read_name(const struct dv_structure *structure, uint32_t at, uint32_t end)
{
    struct dv_range name = { at, at };
    while (name.end < end && is_name(structure->text[name.end]))
        name.end++;
    return name;
}

static bool is_among(const struct dv_structure *structure, struct dv_range name, const char *const *words)
{
    for (; *words != NULL; words++)
        if (dv_range_is(structure, name, *words))
            return true;
    return false;
}

/* Elements that only lay out: the one around them is meant. */
static bool is_layout(const struct dv_structure *structure, struct dv_range name)
{
    static const char *const words[] = { "b",    "i",     "u",     "a",     "p",  "em", "strong", "span", "div",
                                         "font", "small", "tt",    "code",  "br", "li", "ul",     "ol",   "td",
                                         "th",   "dd",    "dt",    "label", "h1", "h2", "h3",     "body", "html",
                                         "tr",   "table", "tbody", "thead", "dl", NULL };
    return is_among(structure, name, words);
}

/* Elements with a "name" that is the key of their value. */
static bool is_labelled(const struct dv_structure *structure, struct dv_range name)
{
    static const char *const words[] = { "input",    "param",     "parameter",  "property", "field", "meta",
                                         "add",      "attribute", "data",       "column",   "entry", "item",
                                         "textarea", "option",    "simpledata", NULL };
    return is_among(structure, name, words);
}

static struct dv_range parent(const struct dv_structure *structure, uint32_t up)
{
    uint32_t depth = structure->depth < DV_DEPTH_MAX ? structure->depth : DV_DEPTH_MAX;
    return depth > up ? structure->elements[depth - 1 - up].name : (struct dv_range){ 0 };
}

static void push(struct dv_structure *structure, struct dv_range name, struct dv_range label)
{
    if (structure->depth < DV_DEPTH_MAX)
        structure->elements[structure->depth] = (struct dv_element){ .name = name, .label = label };
    structure->depth++;
}

static bool names_equal(const struct dv_structure *structure, struct dv_range a, struct dv_range b)
{
    uint32_t length = a.end - a.start;
    return length == b.end - b.start && memcmp(structure->text + a.start, structure->text + b.start, length) == 0;
}

/* Closes the nearest element of the name, and those within it; one that was never opened closes nothing. */
static void pop(struct dv_structure *structure, struct dv_range name)
{
    if (structure->depth > DV_DEPTH_MAX) {
        structure->depth--;
        return;
    }
    for (uint32_t at = structure->depth; at-- > 0;)
        if (names_equal(structure, structure->elements[at].name, name)) {
            structure->depth = at;
            return;
        }
}

/* A name without its namespace. */
static struct dv_range local_name(const struct dv_structure *structure, struct dv_range name)
{
    for (uint32_t at = name.end; at-- > name.start;)
        if (structure->text[at] == ':')
            return (struct dv_range){ at + 1, name.end };
    return name;
}

static void put(struct dv_structure *structure, struct dv_range value, struct dv_range key, struct dv_range around,
                struct dv_range label, struct dv_range further)
{
    struct dv_key_hint hint = dv_structure_hint(structure, key, around);
    if (hint.sense == DV_KEY_LABEL && label.start < label.end)
        hint.sense = DV_KEY_CARRIER;
    hint = dv_structure_carried(structure, hint, label, around, further);
    const struct dv_field field = {
        .value = value, .hint = hint, .column = dv_column_of(structure, key, around), .why = why
    };
    dv_structure_put(structure, &field);
}

/* One name="value"; false at the end of the tag. */
static bool read_attribute(const struct dv_structure *structure, uint32_t *at, uint32_t end, struct dv_range *ret_key,
                           struct dv_range *ret_value)
{
    *at = dv_text_skip_space(structure, *at, end);
    *ret_key = read_name(structure, *at, end);
    if (ret_key->start == ret_key->end)
        return false;
    uint32_t next = dv_text_skip_space(structure, ret_key->end, end);
    *ret_value = (struct dv_range){ next, next };
    *at = next;
    if (dv_text_byte(structure, next) != '=')
        return true;
    next = dv_text_skip_space(structure, next + 1, end);
    unsigned char quote = dv_text_byte(structure, next);
    if (quote == '"' || quote == '\'') {
        *ret_value = (struct dv_range){ next + 1, dv_text_find(structure, next + 1, end, quote) };
        *at = ret_value->end < end ? ret_value->end + 1 : end;
        return true;
    }
    *ret_value = (struct dv_range){ next, next };
    while (ret_value->end < end && structure->text[ret_value->end] > ' ' && structure->text[ret_value->end] != '>')
        ret_value->end++;
    *at = ret_value->end;
    return true;
}

/* Reads the attributes of element `name` from `at` on; *ret_label is what names its value. */
static uint32_t read_attributes(struct dv_structure *structure, uint32_t at, uint32_t end, struct dv_range name,
                                struct dv_range *ret_label)
{
    static const char *const skipped[] = { "class", "style",  "href", "xmlns", "src",
                                           "width", "height", "rel",  "lang",  NULL };
    bool labelled = is_labelled(structure, name);
    struct dv_range key, value;
    while (read_attribute(structure, &at, end, &key, &value)) {
        key = local_name(structure, key);
        bool is_label = dv_range_is(structure, key, "name") || dv_range_is(structure, key, "id") ||
                        dv_range_is(structure, key, "key");
        if (labelled && is_label)
            *ret_label = value;
        else if (value.start < value.end && !is_among(structure, key, skipped))
            put(structure, value, key, is_layout(structure, name) ? (struct dv_range){ 0 } : name, *ret_label,
                parent(structure, 0));
    }
    return at;
}

/* Table heads. A row of only <th> is one; a <th> before <td> is its row's label. */
static void begin_row(struct dv_structure *structure)
{
    if (structure->html_heads >= 2) {
        structure->html.columns = structure->html_heads;
        dv_structure_heads_read(structure, &structure->html);
    }
    structure->html_heads = structure->html_column = 0;
    structure->html_label = (struct dv_range){ 0 };
}

static void put_head(struct dv_structure *structure, struct dv_range text)
{
    if (structure->html_column < DV_TABLE_COLUMNS)
        structure->html.head[structure->html_column] = text;
    structure->html_column++;
    structure->html_heads = structure->html_column;
    structure->html_label = text;
}

/* A cell's key is its row's label, its column's head, or the cell before it if that is the name of a field. */
static void put_cell(struct dv_structure *structure, struct dv_range text)
{
    const struct dv_range none = { 0 };
    uint32_t column = structure->html_column++;
    struct dv_range key = structure->html_label;
    if (column >= structure->html.columns && column < DV_TABLE_COLUMNS)
        structure->html.head[column] = none; /* a head behind it would make one of what is left of another text */
    if (structure->html_heads != 1 && column < structure->html.columns)
        key = structure->html.head[column];
    structure->html_heads = structure->html_heads == 1 ? 1 : 0;
    struct dv_key_hint hint = dv_structure_hint(structure, text, none);
    bool names = structure->html.columns == 0 && column % 2 == 0 && hint.sense == DV_KEY_PERSONAL;
    structure->html_label = names ? text : structure->html_heads == 1 ? structure->html_label : none;
    if (names)
        return;
    const struct dv_field field = { .value = text,
                                    .hint = dv_structure_head_hint(structure, &structure->html, key),
                                    .column = dv_column_number(structure->html.number, column),
                                    .why = "the head of its column" };
    dv_structure_put(structure, &field);
}

/* The text of an element of HTML that may label another; false if it is none. */
static bool put_html(struct dv_structure *structure, struct dv_range name, struct dv_range text)
{
    static const char *const labels[] = { "dt", "label", "b", "strong", NULL };
    if (dv_range_is(structure, name, "th")) {
        put_head(structure, text);
    } else if (dv_range_is(structure, name, "td")) {
        put_cell(structure, text);
    } else if (is_among(structure, name, labels)) {
        structure->html_label = text;
        return false;
    } else if (dv_range_is(structure, name, "dd") || dv_range_is(structure, name, "span")) {
        const struct dv_range none = { 0 };
        put(structure, text, structure->html_label, none, none, none);
        structure->html_label = none;
    } else {
        return false;
    }
    return true;
}

/* Tags that begin or end rows and tables. */
static void note_tag(struct dv_structure *structure, struct dv_range name)
{
    if (dv_range_is(structure, name, "tr"))
        begin_row(structure);
    if (dv_range_is(structure, name, "table"))
        structure->html = (struct dv_table){ .number = structure->html.number + 1 };
}

/* The text behind an opening tag, if the next tag closes it: gives where to go on. */
static uint32_t read_leaf(struct dv_structure *structure, uint32_t at, uint32_t end, struct dv_range name,
                          struct dv_range label)
{
    uint32_t limit = end - at > LEAF_MAX ? at + LEAF_MAX : end;
    struct dv_range text = { at, dv_text_find(structure, at, limit, '<') };
    struct dv_range local = local_name(structure, name);
    struct dv_range closing = { text.end + 2, text.end + 2 + (name.end - name.start) };
    bool closes = dv_text_byte(structure, text.end) == '<' && dv_text_byte(structure, text.end + 1) == '/' &&
                  closing.end < end && names_equal(structure, closing, name);
    bool open_cell = dv_text_byte(structure, text.end) == '<' &&
                     (dv_range_is(structure, name, "td") || dv_range_is(structure, name, "th")) &&
                     dv_value_words(structure, text) > 0;
    if (!closes && !open_cell)
        return at;
    text = dv_range_trim(structure, text);
    if (put_html(structure, local, text))
        return text.end > at ? text.end : at;
    if (is_layout(structure, local))
        return at;
    put(structure, text, local, parent(structure, 1), label, parent(structure, 2));
    return text.end > at ? text.end : at;
}

static uint32_t read_opening(struct dv_structure *structure, uint32_t at, uint32_t end, struct dv_range name)
{
    static const char *const empty[] = { "br", "hr", "img", "input", "meta", "link", "col", NULL };
    struct dv_range label = { 0 };
    unsigned char after = dv_text_byte(structure, name.end);
    if (after != '>' && after != '/' && after > ' ')
        return at;
    uint32_t next = read_attributes(structure, name.end, end, local_name(structure, name), &label);
    bool closed = dv_text_byte(structure, next) == '/';
    next += closed;
    if (next >= end || structure->text[next] != '>')
        return next > at ? next : at;
    note_tag(structure, name);
    if (closed || is_among(structure, name, empty))
        return next + 1;
    push(structure, name, label);
    return read_leaf(structure, next + 1, end, name, label);
}

/* "<!-- … -->", "<![CDATA[" and "<?xml … ?>" hold no keys; what is in them is read as text. */
uint32_t dv_read_tag(struct dv_structure *structure, uint32_t at, uint32_t end)
{
    unsigned char first = dv_text_byte(structure, at + 1);
    bool closing = first == '/';
    struct dv_range name = read_name(structure, at + 1 + closing, end);
    if (name.start == name.end || name.end - name.start > NAME_MAX_BYTES || !dv_is_letter(structure->text[name.start]))
        return at;
    if (!closing)
        return read_opening(structure, at, end, name);
    if (dv_text_byte(structure, name.end) != '>')
        return at;
    pop(structure, name);
    if (dv_range_is(structure, name, "tr"))
        begin_row(structure);
    return name.end + 1;
}
