/* SPDX-License-Identifier: Apache-2.0
 * custom.c - a user's detectors: compiled once, scanned in one pass. */
#include "privacy/custom.h"

#include <hs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arena.h"
#include "engine/memory.h"
#include "privacy/detect_rows.h"

struct dv_custom {
    const struct dv_custom_rule *rules;
    const uint32_t *rule_of; /* by the number of an expression */
    hs_database_t *database; /* its bytes are in the arena */
};

struct dv_custom_room {
    hs_scratch_t *scratch;
};

/* The expressions of a set: a pattern, or a word, each. */
struct expressions {
    const char **texts;
    unsigned *flags, *numbers;
    uint32_t *rule_of;
    uint32_t count;
};

/* A word or phrase as an expression: it stands for itself, blanks for any blanks, and it ends where words end. */
static const char *word_expression(struct dv_arena *arena, const char *word)
{
    size_t length = strlen(word);
    char *text = dv_arena_text(arena, 4 * length + 8);
    if (text == NULL)
        return NULL;
    char *at = text;
    at += sprintf(at, "%s", dv_is_alnum((unsigned char)*word) ? "\\b" : "");
    for (const char *next = word; *next != '\0'; next++)
        at += sprintf(at, "\\x%02x", (unsigned)(unsigned char)*next);
    (void)sprintf(at, "%s", dv_is_alnum((unsigned char)word[length - 1]) ? "\\b" : "");
    return text;
}

static void add(struct expressions *expressions, uint32_t rule, const char *text, unsigned flags)
{
    uint32_t number = expressions->count++;
    expressions->texts[number] = text;
    expressions->flags[number] = flags | HS_FLAG_SOM_LEFTMOST;
    expressions->numbers[number] = number;
    expressions->rule_of[number] = rule;
}

static dv_rc collect(const struct dv_custom_rule *rules, uint32_t count, struct dv_arena *arena, struct expressions *expressions)
{
    size_t room = 0;
    for (uint32_t i = 0; i < count; i++)
        room += (rules[i].pattern != NULL) + rules[i].dictionary.count;
    expressions->texts = dv_arena_zeroed(arena, room + 1, sizeof *expressions->texts);
    expressions->flags = dv_arena_zeroed(arena, room + 1, sizeof *expressions->flags);
    expressions->numbers = dv_arena_zeroed(arena, room + 1, sizeof *expressions->numbers);
    expressions->rule_of = dv_arena_zeroed(arena, room + 1, sizeof *expressions->rule_of);
    if (expressions->texts == NULL || expressions->flags == NULL || expressions->numbers == NULL || expressions->rule_of == NULL)
        return DV_E_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        if (rules[i].pattern != NULL)
            add(expressions, i, rules[i].pattern, 0);
        for (size_t word = 0; word < rules[i].dictionary.count; word++) {
            const char *text = word_expression(arena, rules[i].dictionary.items[word]);
            if (text == NULL)
                return DV_E_MEMORY;
            add(expressions, i, text, HS_FLAG_CASELESS);
        }
    }
    return DV_OK;
}

/* The compiler ends its message with the place, where it knows one. */
static void note_wrong(const struct expressions *expressions, const hs_compile_error_t *error, struct dv_custom_wrong *wrong)
{
    bool known = error->expression >= 0 && (uint32_t)error->expression < expressions->count;
    const char *place = strstr(error->message, " at index ");
    size_t length = place != NULL ? (size_t)(place - error->message) : strcspn(error->message, ".;");
    wrong->rule = known ? expressions->rule_of[error->expression] : 0;
    wrong->at = place != NULL ? (int32_t)strtol(place + strlen(" at index "), NULL, 10) : -1;
    (void)snprintf(wrong->why, sizeof wrong->why, "%.*s", (int)length, error->message);
}

/* Moves the automaton into the arena, which frees it with everything else. */
static dv_rc keep_database(hs_database_t *compiled, struct dv_arena *arena, struct dv_custom *custom)
{
    char *bytes = NULL;
    size_t length = 0, size = 0;
    if (hs_serialize_database(compiled, &bytes, &length) != HS_SUCCESS)
        return DV_E_MEMORY;
    dv_rc rc = DV_E_MEMORY;
    if (hs_serialized_database_size(bytes, length, &size) == HS_SUCCESS)
        custom->database = dv_arena_alloc(arena, size);
    if (custom->database != NULL && hs_deserialize_database_at(bytes, length, custom->database) == HS_SUCCESS)
        rc = DV_OK;
    dv_memory_free(bytes); /* the library has no allocator of its own */
    return rc;
}

dv_rc dv_custom_compile(const struct dv_custom_rule *rules, uint32_t count, struct dv_arena *arena, const struct dv_custom **ret_custom,
                        struct dv_custom_wrong *ret_wrong)
{
    struct expressions expressions = { 0 };
    hs_database_t *compiled = NULL;
    hs_compile_error_t *error = NULL;
    struct dv_custom *custom = dv_arena_zeroed(arena, 1, sizeof *custom);
    *ret_custom = NULL;
    if (hs_valid_platform() != HS_SUCCESS)
        return DV_E_MISSING;
    if (custom == NULL)
        return DV_E_MEMORY;
    DV_TRY(collect(rules, count, arena, &expressions));
    hs_error_t done = hs_compile_multi(expressions.texts, expressions.flags, expressions.numbers, expressions.count, HS_MODE_BLOCK, NULL,
                                       &compiled, &error);
    if (done != HS_SUCCESS && error != NULL) {
        note_wrong(&expressions, error, ret_wrong);
        (void)hs_free_compile_error(error);
        return DV_E_CONFIG;
    }
    if (done != HS_SUCCESS)
        return DV_E_MEMORY;
    custom->rules = rules;
    custom->rule_of = expressions.rule_of;
    dv_rc rc = keep_database(compiled, arena, custom);
    (void)hs_free_database(compiled);
    *ret_custom = rc == DV_OK ? custom : NULL;
    return rc;
}

struct dv_custom_room *dv_custom_room_new(const struct dv_custom *custom)
{
    struct dv_custom_room *room = dv_memory_zeroed(1, sizeof *room);
    if (room != NULL && hs_alloc_scratch(custom->database, &room->scratch) != HS_SUCCESS) {
        dv_memory_free(room);
        return NULL;
    }
    return room;
}

void dv_custom_room_free(struct dv_custom_room *room)
{
    if (room != NULL)
        (void)hs_free_scratch(room->scratch);
    dv_memory_free(room);
}

/* One scan. */
struct scan {
    const struct dv_custom *custom;
    const char *text;
    size_t length;
    struct dv_span *spans;
    size_t count, max;
};

/* The letters and digits of a finding, at most `max`; 0 if there are more. */
static size_t compact(const char *text, size_t length, char *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        if (!dv_is_alnum((unsigned char)text[i]))
            continue;
        if (count == max)
            return 0;
        out[count++] = (char)dv_lower((unsigned char)text[i]);
    }
    return count;
}

/* ISO/IEC 7812-1 over the digits. */
static bool passes_luhn(const char *characters, size_t count)
{
    uint32_t sum = 0, digits = 0;
    for (size_t i = count; i-- > 0;) {
        if (!dv_is_digit((unsigned char)characters[i]))
            continue;
        uint32_t value = (uint32_t)(characters[i] - '0') << (digits++ & 1);
        sum += value > 9 ? value - 9 : value;
    }
    return digits > 1 && sum % 10 == 0;
}

/* ISO/IEC 7064, mod 97-10: letters count from 10 on. */
static bool passes_mod97(const char *characters, size_t count)
{
    uint32_t rest = 0;
    for (size_t i = 0; i < count; i++) {
        bool digit = dv_is_digit((unsigned char)characters[i]);
        rest = (rest * (digit ? 10 : 100) + (uint32_t)(digit ? characters[i] - '0' : characters[i] - 'a' + 10)) % 97;
    }
    return count > 2 && rest == 1;
}

static bool passes(const struct dv_custom_rule *rule, const char *text, size_t length)
{
    enum { CHECKED_MAX = 128 };
    char characters[CHECKED_MAX];
    if (rule->check == DV_CUSTOM_NONE)
        return true;
    size_t count = compact(text, length, characters, sizeof characters);
    return rule->check == DV_CUSTOM_LUHN ? passes_luhn(characters, count) : passes_mod97(characters, count);
}

static bool is_named(const struct scan *scan, const struct dv_custom_rule *rule, uint32_t start)
{
    bool past_end = false;
    const struct dv_candidate candidate = { .text = (const unsigned char *)scan->text, .length = (uint32_t)scan->length, .past_end = &past_end };
    return rule->context == NULL || dv_context_names(&candidate, start, rule->context);
}

/* Findings come in the order of their ends; one takes in those that it overlaps. */
static void take(struct scan *scan, struct dv_span found)
{
    while (scan->count > 0 && scan->spans[scan->count - 1].end > found.start) {
        const struct dv_span *last = &scan->spans[--scan->count];
        struct dv_span merged = last->score > found.score ? *last : found;
        merged.start = last->start < found.start ? last->start : found.start;
        merged.end = last->end > found.end ? last->end : found.end;
        found = merged;
    }
    scan->spans[scan->count++] = found;
}

static int on_match(unsigned number, unsigned long long from, unsigned long long to, unsigned flags, void *context)
{
    struct scan *scan = context;
    const struct dv_custom_rule *rule = &scan->custom->rules[scan->custom->rule_of[number]];
    (void)flags;
    if (from >= to || !passes(rule, scan->text + from, to - from) || !is_named(scan, rule, (uint32_t)from))
        return 0;
    if (scan->count == scan->max && scan->spans[scan->count - 1].end <= from)
        return 1; /* no room: what is left is covered */
    take(scan, (struct dv_span){ .start = (uint32_t)from, .end = (uint32_t)to, .type = DV_PII_CUSTOM, .score = rule->score, .why = rule->name,
                                 .name = rule->name });
    return 0;
}

size_t dv_custom_scan(const struct dv_custom *custom, struct dv_custom_room *room, const char *text, size_t length, struct dv_span *spans,
                      size_t max)
{
    struct scan scan = { .custom = custom, .text = text, .length = length, .spans = spans, .max = max };
    DV_ASSERT(max > 0 && length <= UINT32_MAX);
    if (hs_scan(custom->database, text, (unsigned)length, 0, room->scratch, on_match, &scan) == HS_SUCCESS)
        return scan.count;
    uint32_t start = scan.count > 0 ? spans[scan.count - 1].start : 0;
    spans[scan.count > 0 ? scan.count - 1 : 0] = (struct dv_span){ .start = start, .end = (uint32_t)length, .type = DV_PII_OTHER, .score = 1000,
                                                                   .why = "too many findings: the rest is covered" };
    return scan.count > 0 ? scan.count : 1;
}
