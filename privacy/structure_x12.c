/* SPDX-License-Identifier: Apache-2.0
 * structure_x12.c - X12 segments (005010: 270/271, 834, 835, 837): what a value is, by its segment and place. */
#include <string.h>

#include "engine/error.h"
#include "privacy/detect_rows.h"
#include "privacy/structure_parts.h"

enum { ELEMENTS_MAX = 24 };

static const char x12_why[] = "its place in an X12 segment";

/* An X12 segment cut into elements; [0] is its name. */
struct x12 {
    struct dv_range elements[ELEMENTS_MAX];
    uint32_t count;
};

static void put_x12(struct dv_structure *structure, const struct x12 *segment, uint32_t at, enum dv_pii type,
                    enum dv_key_form form)
{
    if (at < segment->count)
        dv_structure_put_typed(structure, segment->elements[at], type, form, x12_why);
}

static bool element_is(const struct dv_structure *structure, const struct x12 *segment, uint32_t at, const char *words)
{
    char word[8];
    for (; at < segment->count && *words != '\0'; words += *words == ' ') {
        size_t length = strcspn(words, " ");
        DV_ASSERT(length < sizeof word);
        memcpy(word, words, length);
        word[length] = '\0';
        if (dv_range_is(structure, segment->elements[at], word))
            return true;
        words += length;
    }
    return false;
}

/* NM1: entity, person or not, last, first, middle, prefix, suffix, kind of id, id. */
static void read_nm1(struct dv_structure *structure, const struct x12 *segment)
{
    structure->x12_person = element_is(structure, segment, 2, "1");
    for (uint32_t i = 3; structure->x12_person && i <= 7; i++)
        put_x12(structure, segment, i, DV_PII_PERSON, DV_FORM_NAME);
    if (structure->x12_person)
        put_x12(structure, segment, 9, element_is(structure, segment, 8, "34") ? DV_PII_SSN : DV_PII_ID, DV_FORM_ANY);
}

/* PER: who to speak to, and by what; kind and number in pairs. */
static void read_per(struct dv_structure *structure, const struct x12 *segment)
{
    put_x12(structure, segment, 2, DV_PII_PERSON, DV_FORM_NAME);
    for (uint32_t i = 3; i + 1 < segment->count && i <= 7; i += 2) {
        if (element_is(structure, segment, i, "TE CP HP WP FX AP BN NP"))
            put_x12(structure, segment, i + 1, DV_PII_PHONE, DV_FORM_PHONE);
        else if (element_is(structure, segment, i, "EM"))
            put_x12(structure, segment, i + 1, DV_PII_EMAIL, DV_FORM_EMAIL);
        else if (element_is(structure, segment, i, "UR"))
            put_x12(structure, segment, i + 1, DV_PII_URL, DV_FORM_URL);
    }
}

static void read_ref(struct dv_structure *structure, const struct x12 *segment)
{
    if (element_is(structure, segment, 1, "SY"))
        put_x12(structure, segment, 2, DV_PII_SSN, DV_FORM_ANY);
    else if (element_is(structure, segment, 1, "EA"))
        put_x12(structure, segment, 2, DV_PII_MRN, DV_FORM_ANY);
    else if (element_is(structure, segment, 1, "EJ 11 12 14"))
        put_x12(structure, segment, 2, DV_PII_ACCOUNT, DV_FORM_ANY);
    else if (element_is(structure, segment, 1,
                        "0F 1L 1W 23 3H ABB F6 IG NQ Y4 18 1H 49 4A 6P D3 0B 1G Q4 DX ZZ EI TJ G2 HPI"))
        put_x12(structure, segment, 2, DV_PII_ID, DV_FORM_NUMBER);
}

/* One segment, by its name. */
static void read_x12_segment(struct dv_structure *structure, const struct x12 *segment)
{
    if (element_is(structure, segment, 0, "NM1"))
        read_nm1(structure, segment);
    else if (element_is(structure, segment, 0, "PER"))
        read_per(structure, segment);
    else if (element_is(structure, segment, 0, "REF"))
        read_ref(structure, segment);
    else if (element_is(structure, segment, 0, "N1") && element_is(structure, segment, 1, "IL QC 74 EY 36 G2"))
        put_x12(structure, segment, 2, DV_PII_PERSON, DV_FORM_NAME);
    for (uint32_t i = 1; i <= 2 && element_is(structure, segment, 0, "N3"); i++)
        put_x12(structure, segment, i, DV_PII_LOCATION, DV_FORM_ANY);
    for (uint32_t i = 1; i <= 3 && element_is(structure, segment, 0, "N4"); i++)
        put_x12(structure, segment, i, DV_PII_LOCATION, DV_FORM_ANY);
    if (element_is(structure, segment, 0, "DMG"))
        put_x12(structure, segment, 2, DV_PII_DATE, DV_FORM_DATE);
    if (element_is(structure, segment, 0, "DTP"))
        put_x12(structure, segment, 3, DV_PII_DATE, DV_FORM_DATE);
    if (element_is(structure, segment, 0, "DTM"))
        put_x12(structure, segment, 2, DV_PII_DATE, DV_FORM_DATE);
    if (element_is(structure, segment, 0, "PAT"))
        put_x12(structure, segment, 6, DV_PII_DATE, DV_FORM_DATE);
    if (element_is(structure, segment, 0, "CLM CLP"))
        put_x12(structure, segment, 1, DV_PII_ACCOUNT, DV_FORM_NUMBER);
    if (element_is(structure, segment, 0, "SBR"))
        put_x12(structure, segment, 3, DV_PII_ID, DV_FORM_NUMBER);
}

/* What may part elements. */
static bool is_mark(unsigned char byte)
{
    return byte > ' ' && byte < 0x7F && !dv_is_alnum(byte);
}

static bool is_x12(const struct dv_structure *structure, uint32_t at, unsigned char *ret_mark)
{
    static const char *const names[] = { "ISA", "NM1", "PER", "REF", "DMG", "DTP", "DTM", "PAT", "CLM", "CLP",
                                         "SBR", "N3",  "N4",  "N1",  "GS",  "ST",  "BHT", "HL",  "INS", "SV1",
                                         "SV2", "HI",  "LX",  "PRV", "SE",  "GE",  "IEA", "BGN", "EQ",  "EB",
                                         "TRN", "CAS", "SVC", "AMT", "HD",  "BPR", "N2",  "K3",  "QTY", "CUR",
                                         "NTE", "PLB", "LS",  "LE",  "AAA", "III", "MSG", "COB", "OI" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        uint32_t length = (uint32_t)strlen(names[i]);
        if (structure->length - at <= length || memcmp(structure->text + at, names[i], length) != 0)
            continue;
        *ret_mark = structure->text[at + length];
        bool header = names[i][0] == 'I' && names[i][1] == 'S' && is_mark(*ret_mark);
        return header || *ret_mark == (structure->x12_mark != 0 ? structure->x12_mark : '*');
    }
    return false;
}

uint32_t dv_read_x12(struct dv_structure *structure, uint32_t at)
{
    unsigned char mark = 0;
    if (!is_x12(structure, at, &mark))
        return at;
    if (structure->text[at] == 'I' && structure->text[at + 1] == 'S')
        structure->x12_mark = mark;
    uint32_t end = at;
    while (end < structure->length && structure->text[end] != '~' && structure->text[end] != '\n' &&
           structure->text[end] != '\r')
        end++;
    struct x12 segment;
    segment.count = dv_range_part(structure, (struct dv_range){ at, end }, mark, segment.elements, ELEMENTS_MAX);
    read_x12_segment(structure, &segment);
    if (!element_is(structure, &segment, 0, "NTE MSG K3"))
        dv_structure_put_plain(structure, (struct dv_range){ at, end });
    return dv_text_skip_space(structure, end + (dv_text_byte(structure, end) == '~'), structure->length);
}
