/* SPDX-License-Identifier: Apache-2.0
 * structure_parts.h - what the readers of structure_*.c share: the text, keys, and where fields are put.
 *
 * Private to privacy/. A reader is called where its kind of structure may begin and returns the place behind what it took,
 * or that same place if it is none. Fields are put in the order of the text. */
#ifndef DV_PRIVACY_STRUCTURE_PARTS_H
#define DV_PRIVACY_STRUCTURE_PARTS_H

#include "privacy/key_name.h"
#include "privacy/structure.h"

enum {
    DV_STRUCTURE_SPANS = 16384,
    DV_STRUCTURE_CELLS = 32768,
    DV_COLUMNS_MAX = 1024, /* a power of two */
    DV_TABLE_COLUMNS = 128,
    DV_DEPTH_MAX = 32,
    DV_HINTS_KEPT = 256,
};

/* Bytes start..end of the text. */
struct dv_range {
    uint32_t start, end;
};

/* A value, and what is known of it. */
struct dv_field {
    struct dv_range value;
    struct dv_key_hint hint;
    uint32_t column; /* hash of what it shares with others; 0: nothing */
    bool prose;      /* it stands in running text, and the tagger is asked first */
    const char *why; /* a literal */
};

/* A value of a column, for the vote. */
struct dv_cell {
    struct dv_range value;
    uint32_t column; /* index */
};

/* Values of one key or column. */
struct dv_column {
    uint32_t turn; /* the text it is of; of another: free */
    uint32_t hash;
    uint32_t cells;
    uint32_t votes[DV_PII_COUNT];
};

/* An open XML element. */
struct dv_element {
    struct dv_range name, label;
};

/* The table that is being read: its head, if it has one. */
struct dv_table {
    struct dv_range head[DV_TABLE_COLUMNS];
    uint32_t columns; /* 0: none */
    uint32_t number;  /* tables so far: columns of different ones are not the same */
    unsigned char mark;
    bool headed;
    bool people; /* a head names what only people have: a "name" beside it is theirs */
};

/* A key's hint, kept: keys repeat. */
struct dv_kept_hint {
    uint32_t turn; /* the text it is of */
    struct dv_range key, around;
    struct dv_key_hint hint;
};

struct dv_structure {
    const unsigned char *text;
    uint32_t length, types;
    uint32_t turn;   /* counts texts: what is kept of another counts as empty, and nothing large is cleared */
    uint32_t nested; /* readers within a value */
    struct dv_span spans[DV_STRUCTURE_SPANS];
    size_t span_count;
    struct dv_span later[DV_STRUCTURE_SPANS]; /* in running text, where the tagger is asked first */
    size_t later_count;
    struct dv_span plain[DV_STRUCTURE_SPANS];
    size_t plain_count;
    struct dv_cell cells[DV_STRUCTURE_CELLS];
    size_t cell_count;
    struct dv_column columns[DV_COLUMNS_MAX];
    uint32_t column_count;
    struct dv_kept_hint kept[DV_HINTS_KEPT];
    struct dv_element elements[DV_DEPTH_MAX];
    uint32_t depth; /* of open elements; more than DV_DEPTH_MAX are counted only */
    struct dv_table table, html, sql;
    uint32_t html_column, html_heads;
    struct dv_range html_label;
    struct dv_range block; /* the key of a line that ends with ':', for the lines below that are further in */
    uint32_t block_indent;
    unsigned char hl7_mark, x12_mark;
    bool x12_person; /* the NM1 that was last read names one */
    struct dv_key_names names;
};

/* The byte at `at`, or NUL past the end. */
static inline unsigned char dv_text_byte(const struct dv_structure *structure, uint32_t at)
{
    return at < structure->length ? structure->text[at] : 0;
}

/* The first place from `at` on that is no blank or tab, at most `end`. */
uint32_t dv_text_skip_blanks(const struct dv_structure *structure, uint32_t at, uint32_t end);

/* As above, and line ends too. */
uint32_t dv_text_skip_space(const struct dv_structure *structure, uint32_t at, uint32_t end);

/* The first `byte` in from..to, or `to`. */
uint32_t dv_text_find(const struct dv_structure *structure, uint32_t from, uint32_t to, unsigned char byte);

/* Whether the range is `word` (lower-case) in either case. */
bool dv_range_is(const struct dv_structure *structure, struct dv_range range, const char *word);

/* Cuts a range at `mark` into at most `max` parts; the last goes on to the end if there is room for it. Gives their number. */
uint32_t dv_range_part(const struct dv_structure *structure, struct dv_range whole, unsigned char mark,
                       struct dv_range *parts, uint32_t max);

/* The range without blanks and the quotes around it. */
struct dv_range dv_range_trim(const struct dv_structure *structure, struct dv_range range);

/* What a key says in a field called `around`, which may be empty. */
struct dv_key_hint dv_structure_hint(struct dv_structure *structure, struct dv_range key, struct dv_range around);

/* What the head of a column says, in its table. */
struct dv_key_hint dv_structure_head_hint(struct dv_structure *structure, const struct dv_table *table,
                                          struct dv_range head);

/* Sets table->people by its heads. */
void dv_structure_heads_read(struct dv_structure *structure, struct dv_table *table);

/* What a carrier ("value") says: its label's, or the key's around it. */
struct dv_key_hint dv_structure_carried(struct dv_structure *structure, struct dv_key_hint own, struct dv_range label,
                                        struct dv_range around, struct dv_range further);

/* A hash for dv_field.column; never 0. */
uint32_t dv_column_of(const struct dv_structure *structure, struct dv_range key, struct dv_range around);
uint32_t dv_column_number(uint32_t table, uint32_t column);

/* Takes a field in. One before the end of the last is left out. */
void dv_structure_put(struct dv_structure *structure, const struct dv_field *field);

/* Puts a value of a message: typed by its place, covered if it has a letter or digit. */
void dv_structure_put_typed(struct dv_structure *structure, struct dv_range value, enum dv_pii type,
                            enum dv_key_form form, const char *why);

/* Says that a range is nobody's, however long: a key, a code, the frame of a message. In order, too. */
void dv_structure_put_plain(struct dv_structure *structure, struct dv_range range);

/* Whether a value says nothing: "", "null", "N/A", "***". */
bool dv_value_is_void(const struct dv_structure *structure, struct dv_range value);

/* Whether a value is one word of small letters with marks or digits in it, as machines and files are called. */
bool dv_value_is_handle(const struct dv_structure *structure, struct dv_range value);

/* Whether a value looks like the hint; may make it smaller. */
bool dv_value_fits(const struct dv_structure *structure, const struct dv_key_hint *hint, struct dv_range *value);

/* The part of running text from..to that is the value of a key of this hint; empty if there is none. */
struct dv_range dv_value_in_prose(const struct dv_structure *structure, const struct dv_key_hint *hint,
                                  struct dv_range rest);

/* How many words, at most 255. */
uint32_t dv_value_words(const struct dv_structure *structure, struct dv_range value);

/* The readers. `end` is where the text around ends. */
uint32_t dv_read_json(struct dv_structure *structure, uint32_t at, uint32_t end);
uint32_t dv_read_tag(struct dv_structure *structure, uint32_t at, uint32_t end);
uint32_t dv_read_pair(struct dv_structure *structure, uint32_t from, uint32_t at, uint32_t end);
uint32_t dv_read_sql(struct dv_structure *structure, uint32_t from, uint32_t at, uint32_t end);
uint32_t dv_read_rows(struct dv_structure *structure, uint32_t at);
uint32_t dv_read_hl7(struct dv_structure *structure, uint32_t at);
uint32_t dv_read_x12(struct dv_structure *structure, uint32_t at);
uint32_t dv_read_access_log(struct dv_structure *structure, uint32_t at, uint32_t end);

/* Everything that may stand in a line, in from..to: what is in a value, too. */
void dv_read_inline(struct dv_structure *structure, uint32_t from, uint32_t to);

#endif
