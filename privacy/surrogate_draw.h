/* SPDX-License-Identifier: Apache-2.0
 * surrogate_draw.h - what the makers of surrogates share: keyed draws, words of names, comparisons. Private to privacy/. */
#ifndef DV_PRIVACY_SURROGATE_DRAW_H
#define DV_PRIVACY_SURROGATE_DRAW_H

#include "privacy/pseudonym.h"
#include "privacy/surrogate.h"

/* A stream of numbers from the HMAC of a value: the same for the same key, kind, attempt and value. */
struct dv_draw {
    const struct dv_pseudonym *maker;
    char input[3 + DV_SURROGATE_VALUE_MAX * 2]; /* kind, attempt, block, value */
    size_t length;
    unsigned char block[DV_PSEUDONYM_BYTES_MAX];
    uint32_t used;
};

/* Starts a stream. `value` is in comparable form, at most 2 * DV_SURROGATE_VALUE_MAX bytes. */
void dv_draw_start(struct dv_draw *draw, const struct dv_pseudonym *maker, char kind, uint32_t attempt,
                   const char *value, size_t length);

/* Even in 0 .. bound-1, bound ≤ 2^16, but for a bias of bound/2^32. */
uint32_t dv_draw_below(struct dv_draw *draw, uint32_t bound);

/* A value while it is made over: the text, its comparable form, and where the result goes. */
struct dv_making {
    const struct dv_surrogate *surrogate;
    const char *value;
    size_t length;
    char folded[DV_SURROGATE_VALUE_MAX * 2]; /* letters and digits in comparable form */
    size_t folded_length;
    struct dv_buffer *out;
    struct dv_draw draw;
};

typedef dv_rc dv_maker(struct dv_making *making);

dv_maker dv_make_name, dv_make_email, dv_make_user, dv_make_phone, dv_make_id, dv_make_card, dv_make_ssn, dv_make_iban,
    dv_make_ip, dv_make_mac, dv_make_url, dv_make_place, dv_make_date;

/* The comparable form of a name: its words, sorted; of a partial one, that of the person named before. 0: no name. */
size_t dv_name_key(struct dv_making *making, char key[DV_NAME_KEY_MAX]);

/* Appends; the buffer suffices for any value within its limit. */
void dv_put(struct dv_buffer *out, const char *text, size_t length);
void dv_put_byte(struct dv_buffer *out, char byte);
void dv_put_digits(struct dv_draw *draw, struct dv_buffer *out, uint32_t count);

enum dv_name_list { DV_NAMES_WOMEN, DV_NAMES_MEN, DV_NAMES_LAST, DV_NAME_LISTS };

/* A list of names: how many, and one of them, in lower case, NUL-padded to DV_NAME_BYTES. */
uint32_t dv_names_count(enum dv_name_list list);
const char *dv_names_at(enum dv_name_list list, uint32_t index);

/* Whether a folded word is on a list. */
bool dv_names_has(enum dv_name_list list, const char *word, size_t length);

/* Appends a name that is drawn, with its first letter as a capital if asked for. */
void dv_put_name(struct dv_draw *draw, enum dv_name_list list, bool capital, struct dv_buffer *out);

/* Whether any four letters or digits in a row of `folded` are in text, or all of it if it has fewer. */
bool dv_survives(const char *folded, size_t folded_length, const char *text, size_t length);

/* Folds letters and digits of a text; the rest is left out. Returns the length, at most `size`. */
size_t dv_fold_text(const char *text, size_t length, char *folded, size_t size);

#endif
