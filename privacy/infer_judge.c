/* SPDX-License-Identifier: Apache-2.0
 * infer_judge.c - type, class and reason of a field, from what was counted. */
#include <math.h>
#include <string.h>

#include "engine/schema_path.h"
#include "privacy/infer_column.h"

/* Fewer values say little. */
enum { ENOUGH = 50, WORDS_OF_TEXT = 4 };

/* Shares, in hundredths: of the values the finder saw, or of all. */
enum { SOME = 2, HALF = 50, NEARLY_ALL = 95, NEARLY_UNIQUE = 80, MANY = 20 };

/* Puts the top of the heap hashes[0..count) in its place. */
static void sift_down(uint64_t *hashes, uint32_t count, uint32_t at)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        child += child + 1 < count && hashes[child + 1] > hashes[child];
        if (hashes[at] >= hashes[child])
            return;
        uint64_t swapped = hashes[at];
        hashes[at] = hashes[child];
        hashes[child] = swapped;
    }
}

void dv_infer_hash(struct dv_infer_column *column, uint64_t hash)
{
    uint64_t *hashes = column->hashes;
    if (column->hash_count == DV_INFER_HASHES && hash >= hashes[0])
        return;
    for (uint32_t i = 0; i < column->hash_count; i++)
        if (hashes[i] == hash)
            return;
    if (column->hash_count == DV_INFER_HASHES) {
        hashes[0] = hash;
        sift_down(hashes, DV_INFER_HASHES, 0);
        return;
    }
    hashes[column->hash_count++] = hash;
    if (column->hash_count == DV_INFER_HASHES)
        for (uint32_t at = DV_INFER_HASHES / 2; at-- > 0;)
            sift_down(hashes, DV_INFER_HASHES, at);
}

uint64_t dv_infer_present(const struct dv_infer_column *column)
{
    uint64_t present = 0;
    for (int kind = DV_KIND_NULL + 1; kind < DV_KIND_COUNT; kind++)
        present += column->kinds[kind];
    return present;
}

uint64_t dv_infer_distinct(const struct dv_infer_column *column)
{
    if (column->hash_count < DV_INFER_HASHES)
        return column->hash_count;
    double share = (double)column->hashes[0] / 18446744073709551616.0;
    double estimate = share > 0 ? (DV_INFER_HASHES - 1) / share : 0;
    uint64_t present = dv_infer_present(column);
    return estimate < (double)present ? (uint64_t)estimate : present;
}

static bool is_share(uint64_t part, uint64_t whole, uint64_t hundredths)
{
    return whole > 0 && part * 100 >= whole * hundredths;
}

static bool is_only(const struct dv_infer_column *column, enum dv_infer_kind kind)
{
    return column->kinds[kind] > 0 && column->kinds[kind] == dv_infer_present(column);
}

static bool is_numeric(const struct dv_infer_column *column)
{
    return column->kinds[DV_KIND_INT] + column->kinds[DV_KIND_FLOAT] == dv_infer_present(column) &&
           dv_infer_present(column) > 0;
}

static bool is_nearly_unique(const struct dv_infer_column *column)
{
    return is_share(dv_infer_distinct(column), dv_infer_present(column), NEARLY_UNIQUE);
}

static uint64_t whole_votes(const struct dv_infer_column *column)
{
    uint64_t votes = 0;
    for (int type = 0; type < DV_PII_COUNT; type++)
        votes += column->whole[type];
    return votes;
}

static void judge_type(const struct dv_infer_column *column, struct dv_inferred *field)
{
    field->type_reason = NULL;
    if (dv_infer_present(column) == 0) {
        field->type = DV_TYPE_TEXT;
        field->type_reason = "it was never there: its type is a guess";
    } else if (is_only(column, DV_KIND_TEXT))
        field->type = DV_TYPE_TEXT;
    else if (is_only(column, DV_KIND_BOOL))
        field->type = DV_TYPE_BOOL;
    else if (is_only(column, DV_KIND_INT))
        field->type = DV_TYPE_INT;
    else if (is_numeric(column))
        field->type = DV_TYPE_FLOAT;
    else {
        field->type = DV_TYPE_JSON;
        field->type_reason =
            column->kinds[DV_KIND_NESTED] > 0 ? "a list or an object" : "values of several types, or too large";
    }
}

/* Names of what many people share and few people share in combination. Found in other words, too: that is stricter only. */
static bool is_trait(const struct dv_infer_column *column)
{
    static const char *const traits[] = { "age",     "sex",        "gender",  "birth",   "race",     "ethnic",
                                          "marital", "religio",    "nation",  "citizen", "language", "occupation",
                                          "job",     "profession", "employ",  "school",  "zip",      "postal",
                                          "city",    "state",      "country", "region",  "date",     "time",
                                          "year",    "month",      "day",     "_at",     "height",   "weight",
                                          "edad",    "sexo",       "fecha",   "pais",    "genero" };
    for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
        if (strcasestr(column->name, traits[i]) != NULL)
            return true;
    return false;
}

static bool is_text_of_words(const struct dv_infer_column *column)
{
    uint64_t texts = column->kinds[DV_KIND_TEXT];
    return is_only(column, DV_KIND_TEXT) && column->words >= texts * WORDS_OF_TEXT &&
           is_share(dv_infer_distinct(column), texts, MANY);
}

static void set(struct dv_inferred *field, enum dv_class class, const char *reason)
{
    field->class = class;
    field->reason = reason;
}

/* Places and dates narrow down, other personal types name. */
static void judge_personal(const struct dv_infer_column *column, struct dv_inferred *field)
{
    bool dates = is_only(column, DV_KIND_TEXT) && is_share(column->dates, column->examined, NEARLY_ALL);
    if (column->hint.type == DV_PII_DATE && dates)
        set(field, DV_CLASS_QUASI_ID, "by name and values a date");
    else if (column->hint.type == DV_PII_DATE)
        set(field, DV_CLASS_DIRECT_ID, "by name a date, but not by its values");
    else if (column->hint.type == DV_PII_LOCATION && dv_infer_present(column) >= ENOUGH &&
             is_only(column, DV_KIND_TEXT) && !is_share(dv_infer_distinct(column), dv_infer_present(column), MANY))
        set(field, DV_CLASS_QUASI_ID, "by name a place, and many records share each");
    else
        set(field, DV_CLASS_DIRECT_ID, "its name says that it tells who somebody is");
}

/* The name says that it is nobody's; the values may say otherwise. */
static void judge_plain(const struct dv_infer_column *column, struct dv_inferred *field)
{
    bool text = is_only(column, DV_KIND_TEXT);
    if (text && is_share(column->codes, column->kinds[DV_KIND_TEXT], SOME))
        set(field, DV_CLASS_DIRECT_ID, "long codes: a number or a hash that stands for somebody");
    else if (!is_only(column, DV_KIND_FLOAT) && column->kinds[DV_KIND_FLOAT] == 0 && !is_only(column, DV_KIND_BOOL) &&
             is_nearly_unique(column) && dv_infer_distinct(column) > 2)
        set(field, DV_CLASS_DIRECT_ID, "nearly every record has its own value");
    else if (is_text_of_words(column))
        set(field, DV_CLASS_FREE_TEXT, "texts of words, most of them different");
    else if (is_trait(column))
        set(field, DV_CLASS_QUASI_ID, "by name a trait, which identifies together with others");
    else if (dv_infer_present(column) < ENOUGH)
        set(field, DV_CLASS_QUASI_ID, "too few values to be sure that it is harmless");
    else
        set(field, DV_CLASS_SENSITIVE, "by name about somebody but not who, and its values agree");
}

/* Nothing is known of the name. */
static void judge_unknown(const struct dv_infer_column *column, struct dv_inferred *field)
{
    if (is_only(column, DV_KIND_TEXT) && is_share(column->dates, column->examined, NEARLY_ALL))
        set(field, DV_CLASS_QUASI_ID, "dates or times");
    else if (is_text_of_words(column))
        set(field, DV_CLASS_FREE_TEXT, "texts of words, most of them different");
    else if (is_only(column, DV_KIND_BOOL))
        set(field, DV_CLASS_QUASI_ID, "yes or no: a trait");
    else
        set(field, DV_CLASS_DIRECT_ID, "neither its name nor its values tell what it is");
}

static void judge_class(const struct dv_infer_column *column, struct dv_inferred *field)
{
    bool seen_personal = is_share(whole_votes(column), column->examined, is_text_of_words(column) ? HALF : SOME);
    if (field->type == DV_TYPE_JSON)
        set(field, DV_CLASS_DIRECT_ID, "it was not looked into");
    else if (dv_infer_present(column) == 0)
        set(field, DV_CLASS_DIRECT_ID, "it was never there");
    else if (column->hint.sense == DV_KEY_PERSONAL)
        judge_personal(column, field);
    else if (seen_personal)
        set(field, DV_CLASS_DIRECT_ID, "values that are names, addresses or numbers of persons");
    else if (column->hint.sense == DV_KEY_PLAIN &&
             !(is_share(column->parts, column->examined, SOME) && is_text_of_words(column)))
        judge_plain(column, field);
    else
        judge_unknown(column, field);
}

/* A number of one digit that is not below `number` ≥ 0: a bound that tells no value. */
static double round_up(double number)
{
    if (!(number > 0))
        return 0;
    double unit = pow(10, floor(log10(number)));
    double rounded = ceil(number / unit) * unit;
    return rounded > number ? rounded : rounded + unit;
}

/* Bounds that lie outside of all that was seen: a least of 0 says nothing, others are rounded away from it. */
static void judge_range(const struct dv_infer_column *column, struct dv_inferred *field)
{
    field->ranged = is_numeric(column) && fabs(column->low) < 1e15 && fabs(column->high) < 1e15;
    if (!field->ranged)
        return;
    field->low = column->low < 0 ? -round_up(-column->low) : 0;
    field->high = column->high > 0 ? round_up(column->high) : 0;
}

/* One cell holds the values of all objects of a list. */
static void judge_list(struct dv_inferred *field)
{
    field->type = DV_TYPE_JSON;
    field->type_reason = "the values of a list";
    field->ranged = false;
}

void dv_infer_judge(const struct dv_infer_column *column, struct dv_inferred *ret_field)
{
    *ret_field = (struct dv_inferred){ .name = column->name,
                                       .present = column->records,
                                       .distinct = dv_infer_distinct(column) };
    judge_type(column, ret_field);
    judge_class(column, ret_field);
    judge_range(column, ret_field);
    if (dv_path_is_list(column->name))
        judge_list(ret_field);
}

uint32_t dv_infer_subject_rank(const struct dv_infer_column *column, uint64_t records)
{
    static const enum dv_pii order[] = { DV_PII_MRN,  DV_PII_ID,       DV_PII_SSN,  DV_PII_ACCOUNT,
                                         DV_PII_IBAN, DV_PII_USERNAME, DV_PII_EMAIL };
    enum { TYPES = sizeof order / sizeof *order };
    bool key = (is_only(column, DV_KIND_TEXT) || is_only(column, DV_KIND_INT)) && !dv_path_is_list(column->name);
    bool everywhere = is_share(dv_infer_present(column), records, NEARLY_ALL);
    if (column->hint.sense != DV_KEY_PERSONAL || !key || !everywhere || (records > 1 && dv_infer_distinct(column) < 2))
        return 0;
    for (uint32_t i = 0; i < TYPES; i++)
        if (column->hint.type == order[i])
            return TYPES - i;
    return 0;
}
