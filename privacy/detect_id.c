/* SPDX-License-Identifier: Apache-2.0
 * detect_id.c - finds the numbers of detectors/ids.def.
 *
 * A row can begin at a run of digits only if its shape allows a run of that length behind that many letters. An index of
 * bits tells so in three looks; most numbers in a text fit no row. */
#include "privacy/detect_id.h"

#include <string.h>

#include "engine/error.h"

#define SUM(modulus_, at_, map_, ...) \
    { .weights = (const uint8_t[]){ __VA_ARGS__ }, .count = sizeof((const uint8_t[]){ __VA_ARGS__ }), .at = (at_), .modulus = (modulus_), .map = (map_) }
#define NO_SUM { .modulus = 0 }
#define ID(name_, title_, type_, need_, shape_, words_, check_, ...) \
    { .name = (name_), .title = (title_), .type = DV_PII_##type_, .need = DV_ID_##need_, .shape = (shape_), .words = (words_), .check = (check_), \
      .sums = { __VA_ARGS__ } },

static const struct dv_id_row rows[] = {
#include "privacy/detectors/ids.def"
};

enum { ROWS = sizeof rows / sizeof *rows, SCORE_NAMED = 940, SCORE_ALONE = 910, SCORE_GROUPED = 720, SCORE_LOOSE = 650 };

_Static_assert(sizeof rows / sizeof *rows <= DV_ID_ROWS_MAX, "the index has a bit for each row");

/* Words that name an identity number of any country. */
static const char any_words[] = "id|identi|national|personal|social|tax|citizen|resident|passport|document|dni|ssn|insurance|insee|"
                                "ausweis|steuer|numero de|nr|cedula|fiscal|beneficiary|patient";

const struct dv_id_row *dv_id_rows(size_t *ret_count)
{
    *ret_count = ROWS;
    return rows;
}

static void mark(uint64_t bits[DV_ID_WORDS], uint32_t row)
{
    bits[row / 64] |= UINT64_C(1) << row % 64;
}

/* Marks how long the first run of digits can be, given the shape from it on. */
static void mark_runs(struct dv_id_index *index, uint32_t row, const char *shape)
{
    uint32_t run = 0;
    for (; *shape != '\0'; shape++) {
        if (*shape == 'd') {
            run++;
            continue;
        }
        if (run > 0)
            mark(index->by_run[run], row);
        if (*shape == 'L' || *shape == 'S')
            return;
        run += *shape == 'A';
    }
    mark(index->by_run[run], row);
}

static void mark_row(struct dv_id_index *index, uint32_t row)
{
    const char *shape = rows[row].shape;
    uint32_t letters = (uint32_t)strspn(shape, "L");
    if (*shape == 'A')
        for (uint32_t before = 0; before <= DV_ID_LETTERS_MAX; before++)
            mark(index->by_letters[before], row);
    mark(index->by_letters[letters], row);
    if (letters > 0 && shape[letters] == '_')
        mark(index->by_gapped[letters], row);
    mark_runs(index, row, shape + letters + strspn(shape + letters, "_"));
}

void dv_id_index_init(struct dv_id_index *index)
{
    *index = (struct dv_id_index){ 0 };
    for (uint32_t row = 0; row < ROWS; row++)
        mark_row(index, row);
}

static unsigned char upper(unsigned char byte)
{
    return (unsigned char)(byte - 'a') <= 25 ? byte & 0xDF : byte;
}

/* The bytes of the separator that the shape's mark allows at `at`; 0 if there is none. */
static uint32_t separator_at(const struct dv_candidate *candidate, uint32_t at, char mark)
{
    uint8_t gap = 0;
    uint32_t bytes = dv_gap_at(candidate, at, &gap);
    uint8_t allowed = DV_GAP_SPACE | DV_GAP_DASH | DV_GAP_DOT | (mark == '/' ? DV_GAP_SLASH : 0);
    return (gap & ~allowed) == 0 ? bytes : 0;
}

/* The sign of a century or of a great age: its bytes, or 0. */
static uint32_t sign_at(const struct dv_candidate *candidate, uint32_t at, char mark, struct dv_id *id)
{
    unsigned char byte = upper(dv_byte(candidate, at));
    bool sign = byte == '+' || byte == '-' || (mark == 'S' && ((byte >= 'A' && byte <= 'F') || (byte >= 'U' && byte <= 'Y')));
    id->sign = sign ? (char)byte : '\0';
    return sign;
}

static bool fits(unsigned char byte, char mark)
{
    return mark == 'd' ? dv_is_digit(byte) : mark == 'L' ? dv_is_letter(byte) : dv_is_alnum(byte);
}

/* Reads a number of this shape; where it ends, or 0. */
static uint32_t read_shape(const struct dv_candidate *candidate, uint32_t at, const char *shape, struct dv_id *id)
{
    *id = (struct dv_id){ 0 };
    for (; *shape != '\0'; shape++) {
        if (*shape == 's' || *shape == 'S') {
            uint32_t bytes = sign_at(candidate, at, *shape, id);
            if (bytes == 0 && *shape == 'S')
                return 0;
            at += bytes;
        } else if (*shape == '_' || *shape == '/') {
            uint32_t bytes = separator_at(candidate, at, *shape);
            id->joins += bytes != 0;
            at += bytes;
        } else if (fits(dv_byte(candidate, at), *shape)) {
            id->text[id->length++] = (char)upper(dv_byte(candidate, at++));
        } else {
            return 0;
        }
    }
    return at;
}

static bool is_sound(const struct dv_id_row *row, const struct dv_id *id)
{
    return dv_id_sums_hold(row, id) && row->check(id);
}

bool dv_id_is_valid(const struct dv_id_row *row, const char *text, size_t length)
{
    bool past_end = false;
    const struct dv_candidate candidate = { .text = (const unsigned char *)text, .length = (uint32_t)length, .past_end = &past_end };
    struct dv_id id;
    return read_shape(&candidate, 0, row->shape, &id) == length && is_sound(row, &id);
}

/* Nothing beside it makes it a part of something longer. */
static bool stands_alone(const struct dv_candidate *candidate, uint32_t start, uint32_t end)
{
    unsigned char before = dv_byte_before(candidate, start, 1), after = dv_byte(candidate, end);
    bool came = (before == '-' || before == '.' || before == '/' || before == ',') && dv_is_digit(dv_byte_before(candidate, start, 2));
    bool goes = (after == '-' || after == '.' || after == '/' || after == ',') && dv_is_digit(dv_byte(candidate, end + 1));
    return !came && !goes && !dv_is_alnum(before) && before != '_' && before != '+' && !dv_is_alnum(after) && after != '_';
}

/* How many separators the shape has. */
static uint32_t joins_of(const char *shape)
{
    uint32_t joins = 0;
    for (; *shape != '\0'; shape++)
        joins += *shape == '_' || *shape == '/' || *shape == 's';
    return joins;
}

static uint16_t score_of(const struct dv_candidate *candidate, uint32_t start, const struct dv_id_row *row, const struct dv_id *id)
{
    if (dv_context_names(candidate, start, row->words))
        return SCORE_NAMED;
    if (row->need == DV_ID_ALONE)
        return SCORE_ALONE;
    if (row->need == DV_ID_GROUPED && id->joins + (id->sign != 0) == joins_of(row->shape))
        return SCORE_GROUPED;
    return dv_context_names(candidate, start, any_words) ? SCORE_LOOSE : 0;
}

static bool is_named(const struct dv_candidate *candidate, uint32_t start, const struct dv_id_row *row)
{
    return dv_context_names(candidate, start, row->words) || dv_context_names(candidate, start, any_words);
}

/* Reads a whole number; where it ends, or 0. What follows a text that is not over matters only if the number may count. */
static uint32_t read_number(const struct dv_candidate *candidate, uint32_t start, const struct dv_id_row *row, struct dv_id *id)
{
    bool before = *candidate->past_end;
    uint32_t end = read_shape(candidate, start, row->shape, id);
    if (end != 0 && !stands_alone(candidate, start, end))
        end = 0;
    if (*candidate->past_end && !before && row->need == DV_ID_WORD && !is_named(candidate, start, row)) {
        *candidate->past_end = false;
        return 0;
    }
    return end;
}

static bool try_row(const struct dv_candidate *candidate, const struct dv_id_row *row, uint32_t start, struct dv_span *span)
{
    struct dv_id id;
    uint32_t end = read_number(candidate, start, row, &id);
    if (end == 0 || !is_sound(row, &id))
        return false;
    uint16_t score = score_of(candidate, start, row, &id);
    if (score <= span->score)
        return false;
    span->type = row->type;
    return dv_span_fill(span, start, end, score, row->title);
}

/* How many letters stand right before `at`, at most one more than any row has. */
static uint32_t letters_before(const struct dv_candidate *candidate, uint32_t at)
{
    uint32_t letters = 0;
    while (letters <= DV_ID_LETTERS_MAX && dv_is_letter(dv_byte_before(candidate, at, letters + 1)))
        letters++;
    return letters;
}

/* How many capitals stand before a single separator before `at`; 0 if it is no such place or there are too many. */
static uint32_t capitals_before_gap(const struct dv_candidate *candidate, uint32_t at)
{
    unsigned char gap = dv_byte_before(candidate, at, 1);
    if (gap != ' ' && gap != '-' && gap != '.')
        return 0;
    uint32_t letters = letters_before(candidate, at - 1);
    for (uint32_t i = 0; i < letters; i++)
        if (dv_byte_before(candidate, at, i + 2) >= 'a')
            return 0;
    return letters <= DV_ID_LETTERS_MAX ? letters : 0;
}

uint32_t dv_reach_id(const struct dv_candidate *candidate)
{
    uint32_t letters = letters_before(candidate, candidate->at);
    if (letters > 0)
        return candidate->at - (letters <= DV_ID_LETTERS_MAX ? letters : 0);
    letters = capitals_before_gap(candidate, candidate->at);
    return letters > 0 ? candidate->at - 1 - letters : candidate->at;
}

static uint32_t run_length(const struct dv_candidate *candidate)
{
    uint32_t run = 0;
    while (run < DV_ID_RUN_MAX && dv_is_digit(dv_byte(candidate, candidate->at + run)))
        run++;
    return run;
}

/* The rows that can hold the candidate's run of digits, and the gap between it and the letters before. */
struct choice {
    uint64_t direct[DV_ID_WORDS], gapped[DV_ID_WORDS];
    uint32_t letters, gapped_letters;
};

static bool choose(const struct dv_candidate *candidate, struct choice *choice)
{
    const struct dv_id_index *index = candidate->ids;
    uint32_t run = run_length(candidate);
    choice->letters = letters_before(candidate, candidate->at);
    if (choice->letters > DV_ID_LETTERS_MAX || run == DV_ID_RUN_MAX)
        return false;
    choice->gapped_letters = choice->letters == 0 ? capitals_before_gap(candidate, candidate->at) : 0;
    bool gapped = choice->gapped_letters > 0;
    uint64_t any = 0;
    for (uint32_t word = 0; word < DV_ID_WORDS; word++) {
        choice->direct[word] = index->by_run[run][word] & index->by_letters[choice->letters][word];
        choice->gapped[word] = gapped ? index->by_run[run][word] & index->by_gapped[choice->gapped_letters][word] : 0;
        any |= choice->direct[word] | choice->gapped[word];
    }
    return any != 0;
}

static bool try_rows(const struct dv_candidate *candidate, const uint64_t bits[DV_ID_WORDS], uint32_t start, struct dv_span *span)
{
    bool found = false;
    for (uint32_t word = 0; word < DV_ID_WORDS; word++)
        for (uint64_t todo = bits[word]; todo != 0; todo &= todo - 1)
            found |= try_row(candidate, &rows[word * 64 + (uint32_t)__builtin_ctzll(todo)], start, span);
    return found;
}

bool dv_verify_id(const struct dv_candidate *candidate, struct dv_span *span)
{
    DV_UNINITIALIZED struct choice choice;
    span->score = 0;
    if (!choose(candidate, &choice))
        return false;
    bool found = try_rows(candidate, choice.direct, candidate->at - choice.letters, span);
    return try_rows(candidate, choice.gapped, candidate->at - 1 - choice.gapped_letters, span) || found;
}
