/* SPDX-License-Identifier: Apache-2.0
 * surrogate.c - the maker of each type, places and dates, and tries until nothing of the value is left. */
#include "privacy/surrogate.h"

#include <stdio.h>
#include <string.h>

#include "engine/memory.h"
#include "privacy/date.h"
#include "privacy/detect_rows.h"
#include "privacy/key_name.h"
#include "privacy/labels.h"
#include "privacy/surrogate_draw.h"
#include "privacy/transform.h"

enum { ATTEMPTS = 64, DATE_DAYS = 365, ZIP_DIGITS = 5, LONG = 64 };

/* Of the larger towns of the United States. */
static const char *const towns[] = {
    "Akron",      "Albany",     "Amarillo",  "Anaheim",    "Arlington",  "Aurora",     "Bakersfield", "Baton Rouge",
    "Beaumont",   "Bellevue",   "Billings",  "Boise",      "Buffalo",    "Cary",       "Chandler",    "Chesapeake",
    "Cincinnati", "Columbia",   "Concord",   "Corona",     "Dayton",     "Denton",     "Des Moines",  "Durham",
    "El Paso",    "Elgin",      "Escondido", "Eugene",     "Fargo",      "Fremont",    "Fresno",      "Frisco",
    "Garland",    "Gilbert",    "Glendale",  "Greenville", "Hampton",    "Hartford",   "Hayward",     "Henderson",
    "Hialeah",    "Irvine",     "Irving",    "Joliet",     "Killeen",    "Knoxville",  "Lakeland",    "Lancaster",
    "Lansing",    "Laredo",     "Lincoln",   "Lubbock",    "Macon",      "Madison",    "Mesa",        "Mesquite",
    "Midland",    "Modesto",    "Naperville", "Newark",    "Norfolk",    "Norman",     "Ontario",     "Orlando",
    "Oxnard",     "Palmdale",   "Pasadena",  "Paterson",   "Peoria",     "Plano",      "Pomona",      "Pueblo",
    "Raleigh",    "Reno",       "Richmond",  "Riverside",  "Roanoke",    "Rochester",  "Rockford",    "Salem",
    "Salinas",    "Savannah",   "Scottsdale", "Shreveport", "Spokane",   "Stockton",   "Sunnyvale",   "Surprise",
    "Syracuse",   "Tacoma",     "Tampa",     "Tempe",      "Toledo",     "Topeka",     "Torrance",    "Tucson",
    "Tulsa",      "Tyler",      "Vallejo",   "Ventura",    "Visalia",    "Waco",       "Waterbury",   "Wichita",
    "Wilmington", "Worcester",  "Yonkers",   "Yuma",
};

static void put_town(struct dv_making *making)
{
    const char *town = towns[dv_draw_below(&making->draw, sizeof towns / sizeof *towns)];
    dv_put(making->out, town, strlen(town));
}

/* "47 Reyes Avenue", and a town if the address had more parts. */
static void put_street(struct dv_making *making, size_t digits)
{
    static const char *const ends[] = { " Street", " Avenue", " Road", " Lane", " Drive", " Court", " Way", " Place" };
    const char *end = ends[dv_draw_below(&making->draw, sizeof ends / sizeof *ends)];
    dv_put_byte(making->out, (char)('1' + dv_draw_below(&making->draw, 9)));
    dv_put_digits(&making->draw, making->out, digits > 4 ? 3 : (uint32_t)digits - 1);
    dv_put_byte(making->out, ' ');
    dv_put_name(&making->draw, DV_NAMES_LAST, true, making->out);
    dv_put(making->out, end, strlen(end));
    if (memchr(making->value, ',', making->length) == NULL)
        return;
    dv_put(making->out, ", ", 2);
    put_town(making);
}

/* Without what all addresses have ("Street", "Avenue"), nothing of the value may be left. */
static bool place_is_left(const struct dv_making *making)
{
    char folded[DV_SURROGATE_VALUE_MAX * 2];
    const char *end = memchr(making->value, ' ', making->length);
    const char *from = end != NULL ? end : making->value;
    size_t length = dv_fold_text(from, making->length - (size_t)(from - making->value), folded, sizeof folded);
    length = length > 8 ? 8 : length;
    return dv_survives(folded, length, making->out->text, making->out->length);
}

dv_rc dv_make_place(struct dv_making *making)
{
    size_t digits = 0;
    while (digits < making->length && dv_is_digit((unsigned char)making->value[digits]))
        digits++;
    if (making->folded_length == 0)
        return DV_E_DATA;
    bool code = digits >= ZIP_DIGITS && making->folded_length <= 10;
    if (code)
        return dv_make_id(making);
    if (digits != 0)
        put_street(making, digits);
    else
        put_town(making);
    return place_is_left(making) ? DV_DROP : DV_OK;
}

dv_rc dv_make_date(struct dv_making *making)
{
    uint32_t drawn = dv_draw_below(&making->draw, 2 * DATE_DAYS);
    int64_t days = drawn < DATE_DAYS ? -(int64_t)drawn - 1 : (int64_t)drawn - DATE_DAYS + 1;
    dv_rc rc = dv_date_move(days, making->value, making->length, making->out);
    return rc == DV_OK ? rc : dv_date_move_words(days, making->value, making->length, making->out);
}

/* The maker of a type, and the letter that keeps kinds apart. Ids of all sorts are one kind, so that a number is the same
 * wherever it stands; a type that is not here is an id. */
struct kind {
    dv_maker *make;
    char letter;
};

static const struct kind kinds[DV_PII_COUNT] = {
    [DV_PII_PERSON] = { dv_make_name, 'N' },   [DV_PII_EMAIL] = { dv_make_email, 'E' },
    [DV_PII_USERNAME] = { dv_make_user, 'U' }, [DV_PII_PHONE] = { dv_make_phone, 'P' },
    [DV_PII_CREDIT_CARD] = { dv_make_card, 'C' }, [DV_PII_SSN] = { dv_make_ssn, 'S' },
    [DV_PII_IBAN] = { dv_make_iban, 'B' },     [DV_PII_IP] = { dv_make_ip, 'A' },
    [DV_PII_MAC] = { dv_make_mac, 'M' },       [DV_PII_URL] = { dv_make_url, 'W' },
    [DV_PII_LOCATION] = { dv_make_place, 'L' }, [DV_PII_DATE] = { dv_make_date, 'D' },
};

static struct kind kind_of(enum dv_pii type)
{
    return kinds[type].make != NULL ? kinds[type] : (struct kind){ dv_make_id, 'I' };
}

static bool is_same(const struct dv_making *making)
{
    return making->out->length == making->length && memcmp(making->out->text, making->value, making->length) == 0;
}

/* Tries until a surrogate has nothing of the value. Where a form leaves few
 * choices, or chance alone repeats four of many characters, the last that differs will do. */
static dv_rc make_fake(struct dv_making *making, enum dv_pii type)
{
    struct kind kind = kind_of(type);
    bool few = type == DV_PII_PHONE || type == DV_PII_LOCATION || type == DV_PII_MAC || making->folded_length < 6 || making->folded_length > LONG;
    for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        making->out->length = 0;
        dv_draw_start(&making->draw, making->surrogate->maker, kind.letter, attempt, making->folded, making->folded_length);
        dv_rc rc = kind.make(making);
        bool last = few && attempt + 1 == ATTEMPTS && rc == DV_DROP;
        if ((rc == DV_OK || last) && !is_same(making))
            return DV_OK;
        if (dv_is_error(rc))
            break;
    }
    making->out->length = 0;
    return DV_E_DATA;
}

/* "CREDIT_CARD" to "Credit card" */
static void put_noun(const struct dv_surrogate *surrogate, enum dv_pii type, struct dv_buffer *out)
{
    bool own = surrogate->column || type == DV_PII_PERSON;
    const char *noun = own ? surrogate->options->noun : dv_pii_name(type);
    for (size_t i = 0; noun[i] != '\0'; i++) {
        bool shouts = !own && i != 0;
        char byte = noun[i] == '_' ? ' ' : noun[i];
        dv_put_byte(out, shouts ? (char)dv_lower((unsigned char)byte) : byte);
    }
    dv_put_byte(out, ' ');
}

static dv_rc make_label(struct dv_making *making, enum dv_pii type)
{
    char key[DV_NAME_KEY_MAX + 2];
    const char *value = making->folded;
    size_t length = making->folded_length;
    if (type == DV_PII_PERSON) {
        length = dv_name_key(making, key);
        value = key;
    }
    if (length == 0)
        return DV_E_DATA;
    dv_draw_start(&making->draw, making->surrogate->maker, (char)('a' + kind_of(type).letter % 26), 0, value, length);
    unsigned char digest[DV_PSEUDONYM_BYTES_MAX];
    dv_pseudonym_digest(making->surrogate->maker, making->draw.input, making->draw.length, digest);
    put_noun(making->surrogate, type, making->out);
    uint32_t counter = making->surrogate->column || type == DV_PII_PERSON ? 0 : (uint32_t)type;
    dv_labels_put(making->surrogate->labels, counter, digest, making->surrogate->now_ms, making->out);
    return DV_OK;
}

bool dv_surrogate_domain(const char *domain, char *buffer, size_t size)
{
    int length = snprintf(buffer, size, "surrogate/%s", domain);
    return length > 0 && (size_t)length < size;
}

dv_rc dv_surrogate_make(const struct dv_surrogate *surrogate, enum dv_pii type, const char *value, size_t length,
                        struct dv_buffer *out)
{
    DV_UNINITIALIZED struct dv_making making;
    out->length = 0;
    if (length > DV_SURROGATE_VALUE_MAX || out->size < DV_SURROGATE_MAX)
        return DV_E_LIMIT;
    if (length == 0)
        return DV_E_DATA;
    making.surrogate = surrogate;
    making.value = value;
    making.length = length;
    making.out = out;
    making.folded_length = dv_fold_text(value, length, making.folded, sizeof making.folded);
    dv_rc rc = surrogate->options->style == DV_SURROGATE_LABEL ? make_label(&making, type) : make_fake(&making, type);
    if (rc != DV_OK)
        out->length = 0;
    return rc;
}

enum dv_pii dv_surrogate_type(const char *column)
{
    struct dv_key_names *names = dv_memory_zeroed(1, sizeof *names);
    if (names == NULL)
        return DV_PII_ID;
    dv_key_names_init(names);
    struct dv_key_hint hint = dv_key_names_find(names, column, strlen(column), "", 0);
    dv_memory_free(names);
    return hint.sense == DV_KEY_PERSONAL ? hint.type : DV_PII_ID;
}
