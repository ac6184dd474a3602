/* SPDX-License-Identifier: Apache-2.0
 * json_reading.h - the JSON reader's own state, for its parts alone (json_reader.c, json_path.c, json_nested.c).
 *
 * Whatever a record may name has a number: its columns under their whole names, and every step of a path. What a step
 * names is known only inside the object it belongs to, its parent. */
#ifndef DV_ENGINE_JSON_READING_H
#define DV_ENGINE_JSON_READING_H

#include <string.h>

#include "engine/batch.h"
#include "engine/json.h"
#include "engine/json_read.h"
#include "engine/json_walk.h"
#include "engine/schema_path.h"

enum {
    DV_JSON_NONE = DV_COLUMNS_MAX, /* "the object begins", "no guess", "not in the schema", "the record itself" */
    DV_JSON_STEPS = DV_JSON_NONE + 1, /* the first step's number */
    DV_JSON_IDS = DV_JSON_STEPS + DV_PATH_STEPS_MAX,
    DV_JSON_SLOTS = 2048,
    DV_JSON_KEY_WORDS = 4,
    DV_JSON_KEY_BYTES = DV_JSON_KEY_WORDS * 8,
    DV_JSON_MASK_WORDS = DV_COLUMNS_MAX / 64,
};

/* A name with its quotes, to be compared with 8 bytes of the text at a time. */
struct dv_json_key {
    uint64_t bytes[DV_JSON_KEY_WORDS];
    uint64_t mask[DV_JSON_KEY_WORDS]; /* zero behind the closing quote */
    const char *name;                 /* the schema's, without quotes */
    uint32_t length;                  /* with quotes; longer than DV_JSON_KEY_BYTES: the words do not suffice */
};

/* A step of a path. */
struct dv_json_step {
    uint16_t parent; /* the step whose object it stands in, or DV_JSON_NONE */
    uint16_t column; /* the column that the path ends with; DV_JSON_NONE: it names an object, or a list of them */
    uint16_t first;  /* the step that was the first in its object last */
    bool list;       /* of objects */
    bool listed;     /* it lies in a list: there may be many values */
    uint64_t seen;   /* the stamp of the object where it was met last */
};

/* A value of a list, as it stands in the text. */
struct dv_json_caught {
    const char *text;
    uint32_t length;
    uint32_t column;
};

struct dv_json_reader {
    const struct dv_schema *schema;
    size_t record_bytes_max;
    struct dv_json_tokens tokens;
    struct dv_json_names names;
    uint64_t required[DV_JSON_MASK_WORDS];
    uint64_t stamp; /* counts objects: each has its own */
    uint32_t step_count;
    uint32_t caught_count, caught_room;
    struct dv_json_caught *caught; /* the record's values of lists, in their order */
    uint16_t next[DV_JSON_IDS];    /* what followed each one last */
    uint16_t slots[DV_JSON_SLOTS]; /* all numbers, by the hash of parent and name */
    struct dv_json_key keys[DV_JSON_IDS];
    struct dv_json_step steps[DV_PATH_STEPS_MAX];
};

/* One record being read. */
struct dv_json_record {
    struct dv_json_reader *reader;
    struct dv_json_walk walk;
    struct dv_batch *batch;
    uint32_t row;
    uint32_t last; /* what came before in the record itself */
    uint64_t seen[DV_JSON_MASK_WORDS];
    uint64_t present[DV_JSON_MASK_WORDS];
    uint64_t stamp; /* the record's */
    char *extra;    /* the object of the fields that no schema names, while it grows */
    uint32_t extra_length;
};

/* An object or a list that the walk is in, and that a path of the schema leads into. NULL is the record itself. */
struct dv_json_scope {
    struct dv_json_scope *up;
    uint32_t step;  /* DV_JSON_NONE: an element of the list above */
    unsigned depth;
    bool list;
    bool opened;    /* in `extra` */
    uint64_t count; /* elements begun, of a list */
    uint64_t kept;  /* of them in `extra` */
};

/* The step of an id from DV_JSON_STEPS on. */
static inline struct dv_json_step *dv_json_step_of(struct dv_json_reader *reader, uint32_t id)
{
    DV_ASSERT(id >= DV_JSON_STEPS && id < DV_JSON_IDS);
    return &reader->steps[id - DV_JSON_STEPS];
}

/* Eight bytes, wherever they stand. */
static inline uint64_t dv_json_load_word(const char *at)
{
    uint64_t word = 0;
    memcpy(&word, at, sizeof word);
    return word;
}

/* Whether the text at hand is the key, quotes and all, of eight bytes or more. */
static inline bool dv_json_long_key_matches(const struct dv_json_record *record, const struct dv_json_key *key,
                                            const char *text)
{
    uint32_t room = record->walk.at[1] - record->walk.at[0];
    return room >= key->length && text[0] == '"' && text[key->length - 1] == '"' &&
           memcmp(text + 1, key->name, key->length - 2) == 0;
}

/* Whether the name at the walk is that of `id`. */
static inline bool dv_json_key_matches(const struct dv_json_record *record, uint32_t id, const char *text)
{
    const struct dv_json_key *key = &record->reader->keys[id];
    uint64_t differs = (dv_json_load_word(text) ^ key->bytes[0]) & key->mask[0];
    differs |= (dv_json_load_word(text + 8) ^ key->bytes[1]) & key->mask[1];
    if (key->length > 16) {
        differs |= (dv_json_load_word(text + 16) ^ key->bytes[2]) & key->mask[2];
        differs |= (dv_json_load_word(text + 24) ^ key->bytes[3]) & key->mask[3];
        if (key->length > DV_JSON_KEY_BYTES)
            return dv_json_long_key_matches(record, key, text);
    }
    return differs == 0;
}

/* Gives numbers to all that the reader's schema names. */
void dv_json_paths_init(struct dv_json_reader *reader);

/* What `name` is inside `parent`, or DV_JSON_NONE. */
uint32_t dv_json_path_find(const struct dv_json_reader *reader, uint32_t parent, struct dv_json_span name);

/* Takes a name that was not expected; *predicted becomes what it is, unless that is DV_JSON_NONE. `object` is the number
 * of the walk's object. */
DV_CHECKED dv_rc dv_json_surprise(struct dv_json_record *record, uint32_t parent, uint64_t object, uint16_t *predicted,
                                  uint32_t *ret_id);

/* Takes a value of column `index` that is in no list. */
DV_CHECKED dv_rc dv_json_take_column(struct dv_json_record *record, uint32_t index);

/* Takes the value behind the name of step `id`, which stands in `scope`. */
DV_CHECKED dv_rc dv_json_take_step(struct dv_json_record *record, struct dv_json_scope *scope, uint32_t id);

/* Takes a member whose name begins at `start`, and that no column takes, into `_extra`. */
DV_CHECKED dv_rc dv_json_take_extra(struct dv_json_record *record, struct dv_json_scope *scope, const char *start);

/* Makes cells of the values of lists. */
DV_CHECKED dv_rc dv_json_finish_lists(struct dv_json_record *record);

#endif
