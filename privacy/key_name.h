/* SPDX-License-Identifier: Apache-2.0
 * key_name.h - what the name of a field says of its value: "patientFirstName" a person, "dob" a date, "status" nothing.
 *
 * A key is cut into words at case changes, digits and marks ("custPhone2", "cust_phone", "Cust. Phone" are the same two
 * words); accents, plurals and little words ("de", "of") do not count. The last words decide in English, the first in
 * Spanish ("fecha de nacimiento"). Words that mean little alone ask those before them: "patient id" is a record number,
 * "order id" is nobody's. The table is privacy/detectors/keys.def. Pure; time is linear in the key's length. */
#ifndef DV_PRIVACY_KEY_NAME_H
#define DV_PRIVACY_KEY_NAME_H

#include "privacy/detect.h"

/* What a key says. */
enum dv_key_sense {
    DV_KEY_UNKNOWN,  /* nothing is known of it */
    DV_KEY_PERSONAL, /* its values are of hint.type if they look so */
    DV_KEY_PLAIN,    /* its values are nobody's: codes, amounts, states of things */
    DV_KEY_CARRIER,  /* "value", "text": its values are what the field around it says */
    DV_KEY_LABEL,    /* "label", "system": its value is the key of a carrier beside it */
};

/* What a value must look like for the key to be believed. */
enum dv_key_form {
    DV_FORM_ANY,
    DV_FORM_NAME,   /* letters */
    DV_FORM_PLACE,  /* an address or a part of one */
    DV_FORM_NUMBER, /* an id with a digit in it */
    DV_FORM_DATE,
    DV_FORM_PHONE,
    DV_FORM_EMAIL,
    DV_FORM_NET, /* an IP or MAC address */
    DV_FORM_URL,
    DV_FORM_USER,    /* one word */
    DV_FORM_CONTACT, /* a telephone number, an e-mail address or a URL */
};

/* The answer for a key. */
struct dv_key_hint {
    enum dv_key_sense sense;
    enum dv_key_form form; /* of the values; the last two are set for DV_KEY_PERSONAL only */
    enum dv_pii type;
    uint16_t score; /* 1..1000: how sure; from DV_KEY_SURE on the key alone is enough */
};

enum { DV_KEY_SURE = 900, DV_KEY_SLOTS = 4096, DV_KEY_BYTES_MAX = 96 };

struct dv_key_row;

/* The compiled table: read-only once made, may be shared. Members are private. */
struct dv_key_names {
    struct dv_key_slot {
        uint32_t hash, length;
        const char *word; /* in a literal of the table */
        const struct dv_key_row *row;
    } slots[DV_KEY_SLOTS];
};

/* Compiles the table. */
void dv_key_names_init(struct dv_key_names *names);

/* What key[0..length) says, standing in a field called around[0..around_length): "name" in "patient" and in "product"
 * are two things. `around` may be empty. A key longer than DV_KEY_BYTES_MAX is unknown. */
struct dv_key_hint dv_key_names_find(const struct dv_key_names *names, const char *key, size_t length,
                                     const char *around, size_t around_length);

#endif
