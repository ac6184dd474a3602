/* SPDX-License-Identifier: Apache-2.0
 * detect_id.c - finds the numbers of detectors/ids.def.
 *
 * A row can begin at a run of digits only if its shape allows a run of that length behind that many letters, and if there are
 * as many digits near as it has. An index of bits tells so in a few looks; most numbers in a text fit no row. */
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

/* What stands behind a run of digits; a place in by_run. */
enum next { NEXT_LETTER, NEXT_GAP, NEXT_SLASH, NEXT_OTHER };

static enum next next_of(unsigned char byte)
{
    static const uint8_t nexts[256] = { [' '] = 1 + NEXT_GAP, ['\t'] = 1 + NEXT_GAP, ['-'] = 1 + NEXT_GAP, ['.'] = 1 + NEXT_GAP,
                                        [0xC2] = 1 + NEXT_GAP, [0xE2] = 1 + NEXT_GAP, ['/'] = 1 + NEXT_SLASH };
    return dv_is_letter(byte) ? NEXT_LETTER : nexts[byte] != 0 ? (enum next)(nexts[byte] - 1) : NEXT_OTHER;
}

/* Marks what can stand behind a run of digits that ends before the shape's next mark, which may stand for nothing. */
static void mark_next(uint64_t by_next[DV_ID_NEXT][DV_ID_WORDS], uint32_t row, const char *shape)
{
    for (; *shape == '_' || *shape == '/' || *shape == 's'; shape++) {
        mark(by_next[NEXT_GAP], row);
        if (*shape != '_')
            mark(by_next[*shape == '/' ? NEXT_SLASH : NEXT_OTHER], row);
    }
    for (uint32_t next = 0; next < DV_ID_NEXT; next++)
        if (*shape == '\0' || *shape == 'S' || (*shape != 'd' && next == NEXT_LETTER))
            mark(by_next[next], row);
}

/* Marks how long the first run of digits can be, given the shape from it on. In one that may begin with letters, too, the run
 * stands behind these, and so many marks before the end it may end the shape. */
static void mark_runs(struct dv_id_index *index, uint32_t row, const char *shape)
{
    uint32_t run = 0;
    bool shifts = *shape == 'A';
    for (; *shape != '\0'; shape++) {
        if (*shape == 'd') {
            run++;
            continue;
        }
        if (run > 0)
            mark_next(index->by_run[run], row, shifts && strlen(shape) <= DV_ID_LETTERS_MAX ? "" : shape);
        if (*shape == 'L' || *shape == 'S')
            return;
        run += *shape == 'A';
    }
    mark_next(index->by_run[run], row, shape);
}

/* The digits that surely stand in the DV_NEAR_BYTES from the first run of digits on: a separator may have three bytes. */
static uint32_t digits_near(const char *shape)
{
    uint32_t digits = 0;
    for (uint32_t bytes = 0; *shape != '\0' && bytes < DV_NEAR_BYTES; shape++) {
        digits += *shape == 'd';
        bytes += *shape == '_' || *shape == '/' ? 3 : 1;
    }
    return digits;
}

static void mark_row(struct dv_id_index *index, uint32_t row)
{
    const char *shape = rows[row].shape;
    uint32_t letters = (uint32_t)strspn(shape, "L");
    for (uint32_t near = digits_near(shape + letters); near <= DV_NEAR_BYTES; near++)
        mark(index->by_near[near], row);
    if (*shape == 'A')
        for (uint32_t before = 0; before <= DV_ID_LETTERS_MAX; before++)
            mark(index->by_letters[before], row);
    mark(index->by_letters[letters], row);
    if (letters > 0 && shape[letters] == '_')
        mark(index->by_gapped[letters], row);
    mark_runs(index, row, shape + letters + strspn(shape + letters, "_"));
}

void dv_id_index_init(struct dv_id_index *index, uint32_t types_off)
{
    *index = (struct dv_id_index){ 0 };
    for (uint32_t row = 0; row < ROWS; row++) {
        mark_row(index, row);
        if ((types_off >> rows[row].type & 1u) == 0)
            mark(index->wanted, row);
    }
}

uint32_t dv_id_types(void)
{
    uint32_t types = 0;
    for (uint32_t row = 0; row < ROWS; row++)
        types |= 1u << rows[row].type;
    return types;
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

_Static_assert(DV_ID_WORDS == 2, "the first look is at both words");

/* The rows that can hold the candidate's run of digits, and the gap between it and the letters before. */
struct choice {
    uint64_t direct[DV_ID_WORDS], gapped[DV_ID_WORDS];
    uint32_t letters, gapped_letters;
};

static bool choose(const struct dv_candidate *candidate, struct choice *choice)
{
    const struct dv_id_index *index = candidate->ids;
    uint32_t run = run_length(candidate);
    if (run == DV_ID_RUN_MAX)
        return false;
    const uint64_t *by_run = index->by_run[run][next_of(dv_byte(candidate, candidate->at + run))];
    const uint64_t *by_near = index->by_near[candidate->digits_may];
    if (((by_run[0] & by_near[0]) | (by_run[1] & by_near[1])) == 0)
        return false;
    choice->letters = letters_before(candidate, candidate->at);
    if (choice->letters > DV_ID_LETTERS_MAX)
        return false;
    choice->gapped_letters = choice->letters == 0 ? capitals_before_gap(candidate, candidate->at) : 0;
    bool gapped = choice->gapped_letters > 0;
    uint64_t any = 0;
    for (uint32_t word = 0; word < DV_ID_WORDS; word++) {
        uint64_t fit = by_run[word] & by_near[word];
        choice->direct[word] = fit & index->by_letters[choice->letters][word];
        choice->gapped[word] = gapped ? fit & index->by_gapped[choice->gapped_letters][word] : 0;
        any |= (choice->direct[word] | choice->gapped[word]) & index->wanted[word]; /* the others only compete with these */
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
