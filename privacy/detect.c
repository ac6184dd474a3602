/* SPDX-License-Identifier: Apache-2.0
 * detect.c - the table of detectors, and the walk over the marks of the prefilter. */
#include "privacy/detect.h"

#include <string.h>

#include "engine/error.h"
#include "privacy/detect_id.h"
#include "privacy/detect_walk.h"

/* Scores, not the order of rows, decide between verifiers of one trigger. */
static const struct dv_detector_row rows[] = {
    { "ipv4", DV_PII_IP, DV_TRIGGER_DIGIT, 4, 3, false, dv_verify_ipv4, NULL },
    { "iban", DV_PII_IBAN, DV_TRIGGER_DIGIT, 2, 0, true, dv_verify_iban, dv_reach_iban },
    { "named", DV_PII_COUNT, DV_TRIGGER_DIGIT, 2, 0, false, dv_verify_named, dv_reach_named },
    { "age", DV_PII_AGE, DV_TRIGGER_DIGIT, 2, 0, false, dv_verify_age, NULL },
    { "ssn", DV_PII_SSN, DV_TRIGGER_DIGIT, 9, 0, false, dv_verify_ssn, NULL },
    { "card", DV_PII_CREDIT_CARD, DV_TRIGGER_DIGIT, 10, 0, false, dv_verify_card, NULL },
    { "phone", DV_PII_PHONE, DV_TRIGGER_DIGIT, 7, 0, false, dv_verify_phone, dv_reach_phone },
    { "id", DV_PII_COUNT, DV_TRIGGER_DIGIT, 2, 0, false, dv_verify_id, dv_reach_id },
    { "date", DV_PII_DATE, DV_TRIGGER_DIGIT, 1, 0, false, dv_verify_date, dv_reach_date },
    { "email", DV_PII_EMAIL, DV_TRIGGER_AT, 0, 0, false, dv_verify_email, dv_reach_email },
    { "url", DV_PII_URL, DV_TRIGGER_COLON, 0, 0, false, dv_verify_url, dv_reach_url },
    { "ipv6", DV_PII_IP, DV_TRIGGER_COLON, 0, 0, false, dv_verify_ipv6, dv_reach_ipv6 },
    { "mac", DV_PII_MAC, DV_TRIGGER_COLON, 0, 0, false, dv_verify_mac, dv_reach_mac },
    { "domain", DV_PII_URL, DV_TRIGGER_DOT, 0, 0, false, dv_verify_domain, dv_reach_domain },
};

static const char *const names[DV_PII_COUNT] = {
    [DV_PII_OTHER] = "REDACTED", [DV_PII_EMAIL] = "EMAIL", [DV_PII_PHONE] = "PHONE",
    [DV_PII_SSN] = "SSN",        [DV_PII_IBAN] = "IBAN",   [DV_PII_CREDIT_CARD] = "CREDIT_CARD",
    [DV_PII_IP] = "IP",          [DV_PII_MAC] = "MAC",     [DV_PII_URL] = "URL",
    [DV_PII_MRN] = "MRN",        [DV_PII_PERSON] = "PERSON", [DV_PII_LOCATION] = "LOCATION",
    [DV_PII_DATE] = "DATE",      [DV_PII_ID] = "ID",       [DV_PII_ACCOUNT] = "ACCOUNT",
    [DV_PII_USERNAME] = "USERNAME", [DV_PII_AGE] = "AGE",  [DV_PII_CUSTOM] = "CUSTOM",
};

const char *dv_pii_name(enum dv_pii type)
{
    DV_ASSERT((unsigned)type < DV_PII_COUNT);
    return names[type];
}

/* What a row may find. */
static uint32_t types_of(const struct dv_detector_row *row)
{
    if (row->type != DV_PII_COUNT)
        return 1u << row->type;
    return row->verify == dv_verify_id ? dv_id_types() : dv_named_types();
}

static void add_row(struct dv_detector *detector, const struct dv_detector_row *row)
{
    uint8_t *count = &detector->row_counts[row->trigger];
    DV_ASSERT(*count < DV_DETECTOR_ROWS_MAX);
    detector->rows[row->trigger][(*count)++] = row;
    if (row->trigger == DV_TRIGGER_DIGIT && row->digits_min < detector->digits_min)
        detector->digits_min = row->digits_min;
}

void dv_detector_init(struct dv_detector *detector, const struct dv_detector_options *options)
{
    const struct dv_detector_options none = { 0 };
    if (options == NULL)
        options = &none;
    *detector = (struct dv_detector){ .scan = dv_detect_scan_plain, .digits_min = UINT8_MAX, .types_off = options->types_off };
    if (!options->plain_c && dv_detect_has_avx2())
        detector->scan = dv_detect_scan_avx2;
    dv_id_index_init(&detector->ids, options->types_off);
    dv_named_index_init(&detector->ids);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((types_of(&rows[i]) & ~options->types_off) != 0)
            add_row(detector, &rows[i]);
}

static bool is_stronger(const struct dv_span *a, const struct dv_span *b)
{
    return a->score != b->score ? a->score > b->score : a->end - a->start > b->end - b->start;
}

/* Takes in the spans that `found` overlaps: what any verifier found stays covered, whoever gives the name. */
static void absorb(struct dv_walk *walk, struct dv_span *found)
{
    while (walk->count != 0 && walk->spans[walk->count - 1].end > found->start) {
        struct dv_span *last = &walk->spans[--walk->count];
        struct dv_span merged = is_stronger(found, last) ? *found : *last;
        merged.start = found->start < last->start ? found->start : last->start;
        merged.end = found->end > last->end ? found->end : last->end;
        *found = merged;
    }
}

/* No room for another finding: the last one takes the rest of the text. The walk goes on, since a later finding may
 * still reach back before it. */
static void cover_rest(struct dv_walk *walk)
{
    struct dv_span *last = &walk->spans[walk->max - 1];
    last->type = DV_PII_OTHER;
    last->end = walk->candidate.length;
    last->score = 1000;
    last->why = "too many findings: the rest is covered";
}

void dv_walk_accept(struct dv_walk *walk, struct dv_span *found)
{
    DV_ASSERT(found->start < found->end && found->end <= walk->candidate.length);
    walk->covered_end = found->end;
    absorb(walk, found);
    if (walk->count == walk->max)
        cover_rest(walk);
    else
        walk->spans[walk->count++] = *found;
}

/* Whether the row gave a finding that leaves nothing to ask the others. */
static bool try_row(struct dv_walk *walk, const struct dv_detector_row *row)
{
    struct dv_span found = { .type = row->type };
    if (!dv_row_finds(walk, row, &found))
        return false;
    bool sure = found.score >= DV_SURE_SCORE;
    dv_walk_accept(walk, &found);
    return sure;
}

/* The 64 bits from bit `bit` of word `word` on. */
static uint64_t bits_from(const uint64_t *words, uint32_t word, uint32_t bit)
{
    uint64_t low = words[word] >> bit;
    return bit == 0 ? low : low | words[word + 1] << (64 - bit);
}

/* How many of the DV_NEAR_BYTES bits from there on are set; by hand, since not every x86-64 can popcount. */
static inline uint32_t count_near(const uint64_t *words, uint32_t word, uint32_t bit)
{
    uint32_t near = (uint32_t)(bits_from(words, word, bit) & ((UINT64_C(1) << DV_NEAR_BYTES) - 1));
    near -= near >> 1 & 0x55555555;
    near = (near & 0x33333333) + (near >> 2 & 0x33333333);
    return ((near + (near >> 4)) & 0x0F0F0F0F) * 0x01010101 >> 24;
}

/* What the prefilter knows of a digit, and the groups of the number that begins there. */
static void look_near(struct dv_walk *walk, uint32_t word, uint32_t bit)
{
    struct dv_candidate *candidate = &walk->candidate;
    candidate->digits_near = candidate->digits_may = count_near(walk->digits, word, bit);
    candidate->marks_near = count_near(walk->marks, word, bit);
    candidate->groups.count = 0;
    candidate->groups.total = 0;
}

static void try_digit(struct dv_walk *walk, uint32_t word, uint32_t bit)
{
    struct dv_candidate *candidate = &walk->candidate;
    const struct dv_detector *detector = walk->detector;
    if (count_near(walk->digits, word, bit) < detector->digits_min)
        return;
    look_near(walk, word, bit);
    if (candidate->digits_near >= DV_GROUPED_MIN)
        dv_groups_read(candidate);
    bool after_letter = dv_is_letter(dv_byte_before(candidate, candidate->at, 1));
    for (uint32_t i = 0; i < detector->row_counts[DV_TRIGGER_DIGIT]; i++) {
        const struct dv_detector_row *row = detector->rows[DV_TRIGGER_DIGIT][i];
        if (dv_row_fits(row, candidate, after_letter) && try_row(walk, row))
            break;
    }
}

static enum dv_trigger trigger_of(unsigned char byte)
{
    return byte == '@' ? DV_TRIGGER_AT : byte == ':' ? DV_TRIGGER_COLON : DV_TRIGGER_DOT;
}

static void try_mark(struct dv_walk *walk)
{
    struct dv_candidate *candidate = &walk->candidate;
    unsigned char byte = candidate->text[candidate->at];
    /* The prefilter cannot tell at the end of a block. */
    if (byte != '@' && dv_byte(candidate, candidate->at + 1) <= ' ')
        return;
    enum dv_trigger trigger = trigger_of(byte);
    for (uint32_t i = 0; i < walk->detector->row_counts[trigger]; i++)
        if (try_row(walk, walk->detector->rows[trigger][i]))
            break;
}

static void try_open(struct dv_walk *walk, uint32_t word, uint32_t bit, bool digit)
{
    if (digit) {
        look_near(walk, word, bit);
        dv_walk_open_digit(walk);
    } else {
        dv_walk_open_mark(walk, trigger_of(walk->candidate.text[walk->candidate.at]));
    }
}

static void try_at(struct dv_walk *walk, uint32_t word, uint32_t bit, bool digit)
{
    if (walk->candidate.at < walk->covered_end && !walk->stuck)
        return;
    if (walk->open)
        try_open(walk, word, bit, digit);
    else if (digit)
        try_digit(walk, word, bit);
    else
        try_mark(walk);
}

/* Walks the marks of the first `words` words of the window that begins at byte `start`. */
static void walk_window(struct dv_walk *walk, uint32_t start, uint32_t words)
{
    uint64_t carry = start != 0 && dv_is_digit(walk->candidate.text[start - 1]);
    for (uint32_t word = 0; word < words; word++) {
        uint64_t digits = walk->digits[word];
        uint64_t begins = digits & ~(digits << 1 | carry);
        carry = digits >> 63;
        for (uint64_t todo = begins | walk->marks[word]; todo != 0; todo &= todo - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(todo);
            walk->candidate.at = start + word * 64 + bit;
            try_at(walk, word, bit, (begins >> bit & 1) != 0);
        }
    }
}

void dv_walk_init(struct dv_walk *walk, const struct dv_detector *detector, const char *text, uint32_t length,
                  struct dv_span *spans, size_t max)
{
    walk->detector = detector;
    walk->glance = NULL;
    walk->seen = 0;
    walk->spans = spans;
    walk->count = 0;
    walk->max = max;
    walk->covered_end = 0;
    walk->past_end = false;
    walk->open = false;
    walk->stuck = false;
    walk->candidate.text = (const unsigned char *)text;
    walk->candidate.length = length;
    walk->candidate.past_end = &walk->past_end;
    walk->candidate.ids = &detector->ids;
}

void dv_walk_text(struct dv_walk *walk, uint32_t from)
{
    const struct dv_candidate *candidate = &walk->candidate;
    for (size_t start = from; start < candidate->length; start += DV_WALK_STEP) {
        size_t left = candidate->length - start;
        size_t bytes = left < DV_WALK_BYTES ? left : DV_WALK_BYTES;
        size_t words = (bytes + 63) / 64;
        walk->digits[words] = 0;
        walk->marks[words] = 0;
        if (walk->glance != NULL)
            walk->seen |= walk->glance->look(walk->glance, candidate->text, candidate->length, start, bytes, walk->digits, walk->marks);
        else
            walk->detector->scan(candidate->text + start, bytes, walk->digits, walk->marks);
        walk_window(walk, (uint32_t)start, (uint32_t)(left <= DV_WALK_BYTES ? words : DV_WALK_WORDS - 1));
        if (left <= DV_WALK_BYTES)
            break;
    }
}

size_t dv_detect(const struct dv_detector *detector, const char *text, size_t length, struct dv_span *spans, size_t max)
{
    DV_ASSERT(max > 0 && length <= UINT32_MAX);
    DV_UNINITIALIZED struct dv_walk walk;
    dv_walk_init(&walk, detector, text, (uint32_t)length, spans, max);
    dv_walk_text(&walk, 0);
    return walk.count;
}

size_t dv_detect_seen(const struct dv_detector *detector, const struct dv_glance *glance, const char *text, size_t length,
                      struct dv_span *spans, size_t max, uint32_t *ret_seen)
{
    DV_ASSERT(max > 0 && length <= UINT32_MAX);
    DV_UNINITIALIZED struct dv_walk walk;
    dv_walk_init(&walk, detector, text, (uint32_t)length, spans, max);
    walk.glance = glance;
    dv_walk_text(&walk, 0);
    *ret_seen = walk.seen;
    return walk.count;
}
