/* SPDX-License-Identifier: Apache-2.0
 * structure_hl7.c - HL7 v2 messages: what a value is, by its segment and place.
 *
 * HL7 v2.9, chapters 2A (data types), 3, 6 and 7. A segment is known by its name, so parts of messages are read, too. Fields
 * are numbered from 1 behind the name; ~ repeats, ^ parts components. */
#include <string.h>

#include "privacy/detect_rows.h"
#include "privacy/structure_parts.h"

enum { SEGMENT_MAX = 4, COMPONENTS_MAX = 16 };

/* How a field of HL7 is made. */
enum hl7_kind {
    HL7_NAME,
    HL7_PERSON,
    HL7_PLACE,
    HL7_PHONE,
    HL7_DATE,
    HL7_ID,
    HL7_MRN,
    HL7_ACCOUNT,
    HL7_SSN,
    HL7_TEXT,
    HL7_TOWN
};

static const char hl7_why[] = "its place in an HL7 segment";
static const char hl7_look[] = "its look in an HL7 segment";

/* Fields of a segment that are somebody's: "number kind". */
struct hl7_field {
    uint8_t number, kind;
};

struct hl7_segment {
    const char *name;
    struct hl7_field fields[22];
};

/* Segments that have none are here to be known. */
static const struct hl7_segment segments[] = {
    { "MSH", { { 0, 0 } } },
    { "EVN", { { 5, HL7_PERSON } } },
    { "PID",
      { { 2, HL7_MRN },
        { 3, HL7_MRN },
        { 4, HL7_MRN },
        { 5, HL7_NAME },
        { 6, HL7_NAME },
        { 7, HL7_DATE },
        { 9, HL7_NAME },
        { 11, HL7_PLACE },
        { 12, HL7_TOWN },
        { 13, HL7_PHONE },
        { 14, HL7_PHONE },
        { 18, HL7_ACCOUNT },
        { 19, HL7_SSN },
        { 20, HL7_ID },
        { 21, HL7_MRN },
        { 23, HL7_TOWN },
        { 29, HL7_DATE },
        { 40, HL7_PHONE } } },
    { "PD1", { { 4, HL7_PERSON }, { 20, HL7_ID } } },
    { "NK1",
      { { 2, HL7_NAME },
        { 4, HL7_PLACE },
        { 5, HL7_PHONE },
        { 6, HL7_PHONE },
        { 12, HL7_ID },
        { 16, HL7_DATE },
        { 26, HL7_NAME },
        { 30, HL7_NAME },
        { 31, HL7_PHONE },
        { 32, HL7_PLACE },
        { 33, HL7_ID },
        { 37, HL7_SSN } } },
    { "MRG", { { 1, HL7_MRN }, { 2, HL7_MRN }, { 3, HL7_ACCOUNT }, { 4, HL7_MRN }, { 5, HL7_ID }, { 7, HL7_NAME } } },
    { "PV1",
      { { 5, HL7_ID },
        { 7, HL7_PERSON },
        { 8, HL7_PERSON },
        { 9, HL7_PERSON },
        { 17, HL7_PERSON },
        { 19, HL7_ID },
        { 44, HL7_DATE },
        { 45, HL7_DATE },
        { 50, HL7_ID },
        { 52, HL7_PERSON } } },
    { "PV2", { { 8, HL7_DATE }, { 9, HL7_DATE }, { 13, HL7_PERSON } } },
    { "GT1",
      { { 2, HL7_ID },
        { 3, HL7_NAME },
        { 4, HL7_NAME },
        { 5, HL7_PLACE },
        { 6, HL7_PHONE },
        { 7, HL7_PHONE },
        { 8, HL7_DATE },
        { 12, HL7_SSN },
        { 17, HL7_PLACE },
        { 18, HL7_PHONE },
        { 19, HL7_ID },
        { 45, HL7_NAME },
        { 46, HL7_PHONE } } },
    { "IN1",
      { { 5, HL7_PLACE },
        { 6, HL7_NAME },
        { 7, HL7_PHONE },
        { 8, HL7_ID },
        { 16, HL7_NAME },
        { 18, HL7_DATE },
        { 19, HL7_PLACE },
        { 36, HL7_ID },
        { 44, HL7_PLACE },
        { 49, HL7_ID } } },
    { "IN2",
      { { 1, HL7_ID },
        { 2, HL7_SSN },
        { 6, HL7_ID },
        { 8, HL7_ID },
        { 25, HL7_ID },
        { 40, HL7_NAME },
        { 49, HL7_NAME },
        { 61, HL7_ID },
        { 63, HL7_PHONE },
        { 64, HL7_PHONE } } },
    { "OBR",
      { { 7, HL7_DATE },
        { 8, HL7_DATE },
        { 10, HL7_PERSON },
        { 14, HL7_DATE },
        { 16, HL7_PERSON },
        { 17, HL7_PHONE },
        { 22, HL7_DATE },
        { 28, HL7_PERSON },
        { 32, HL7_PERSON },
        { 33, HL7_PERSON },
        { 34, HL7_PERSON },
        { 35, HL7_PERSON } } },
    { "OBX", { { 14, HL7_DATE }, { 16, HL7_PERSON }, { 25, HL7_PERSON }, { 5, HL7_TEXT } } },
    { "ORC",
      { { 9, HL7_DATE },
        { 10, HL7_PERSON },
        { 11, HL7_PERSON },
        { 12, HL7_PERSON },
        { 14, HL7_PHONE },
        { 15, HL7_DATE },
        { 19, HL7_PERSON },
        { 24, HL7_PLACE } } },
    { "DG1", { { 5, HL7_DATE }, { 16, HL7_PERSON } } },
    { "PR1", { { 5, HL7_DATE }, { 8, HL7_PERSON }, { 11, HL7_PERSON }, { 12, HL7_PERSON } } },
    { "AL1", { { 6, HL7_DATE } } },
    { "ACC", { { 1, HL7_DATE }, { 7, HL7_NAME } } },
    { "AIP", { { 3, HL7_PERSON } } },
    { "SCH",
      { { 12, HL7_PERSON },
        { 13, HL7_PHONE },
        { 14, HL7_PLACE },
        { 16, HL7_PERSON },
        { 17, HL7_PHONE },
        { 18, HL7_PLACE },
        { 20, HL7_PERSON } } },
    { "ROL", { { 4, HL7_PERSON }, { 11, HL7_PLACE }, { 12, HL7_PHONE } } },
    { "PRT", { { 5, HL7_PERSON }, { 14, HL7_PLACE }, { 15, HL7_PHONE } } },
    { "STF",
      { { 2, HL7_ID }, { 3, HL7_NAME }, { 6, HL7_DATE }, { 10, HL7_PHONE }, { 11, HL7_PLACE }, { 15, HL7_PHONE } } },
    { "CTD", { { 2, HL7_NAME }, { 3, HL7_PLACE }, { 5, HL7_PHONE }, { 7, HL7_ID } } },
    { "FT1", { { 4, HL7_DATE }, { 5, HL7_DATE }, { 20, HL7_PERSON }, { 21, HL7_PERSON } } },
    { "RXA", { { 3, HL7_DATE }, { 4, HL7_DATE }, { 10, HL7_PERSON } } },
    { "RXE", { { 13, HL7_PERSON }, { 14, HL7_PERSON } } },
    { "RXD", { { 3, HL7_DATE }, { 10, HL7_PERSON } } },
    { "TXA",
      { { 4, HL7_DATE },
        { 5, HL7_PERSON },
        { 6, HL7_DATE },
        { 7, HL7_DATE },
        { 9, HL7_PERSON },
        { 10, HL7_PERSON },
        { 11, HL7_PERSON },
        { 22, HL7_PERSON } } },
    { "QRD", { { 8, HL7_PERSON } } },
    { "QPD", { { 3, HL7_MRN } } },
    { "SPM", { { 17, HL7_DATE }, { 18, HL7_DATE } } },
    { "TQ1", { { 7, HL7_DATE }, { 8, HL7_DATE } } },
    { "NTE", { { 5, HL7_PERSON }, { 3, HL7_TEXT } } },
    { "AUT", { { 0, 0 } } },
    { "DB1", { { 3, HL7_ID } } },
    { "PDA", { { 0, 0 } } },
    { "MSA", { { 0, 0 } } },
    { "BHS", { { 0, 0 } } },
    { "FHS", { { 0, 0 } } },
};

static const struct hl7_segment *segment_at(const struct dv_structure *structure, uint32_t at)
{
    if (structure->length - at < SEGMENT_MAX)
        return NULL;
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++)
        if (memcmp(structure->text + at, segments[i].name, 3) == 0)
            return &segments[i];
    return NULL;
}

/* Where a segment ends: at a line end, or at one that is written as \r or \n. */
static uint32_t segment_end(const struct dv_structure *structure, uint32_t at)
{
    while (at < structure->length && structure->text[at] != '\n' && structure->text[at] != '\r' &&
           !(structure->text[at] == '\\' &&
             (dv_text_byte(structure, at + 1) == 'r' || dv_text_byte(structure, at + 1) == 'n')))
        at++;
    return at;
}

/* From component `first` to `last`, both within, as one value; what is empty at the ends is left out. */
static struct dv_range span_of(const struct dv_range *parts, uint32_t count, uint32_t first, uint32_t last)
{
    if (first >= count)
        return (struct dv_range){ 0 };
    last = last < count ? last : count - 1;
    while (first < last && parts[first].start == parts[first].end)
        first++;
    while (last > first && parts[last].start == parts[last].end)
        last--;
    return (struct dv_range){ parts[first].start, parts[last].end };
}

static void put_place(struct dv_structure *structure, const struct dv_range *parts, uint32_t count)
{
    enum { KIND = 6 };
    for (uint32_t i = 0; i < count && i < 10; i++)
        if (i != KIND)
            dv_structure_put_typed(structure, parts[i], DV_PII_LOCATION, DV_FORM_ANY, hl7_why);
}

static void put_phone(struct dv_structure *structure, const struct dv_range *parts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool mail = memchr(structure->text + parts[i].start, '@', parts[i].end - parts[i].start) != NULL;
        enum dv_key_form form = i == 5 || i == 6 ? DV_FORM_ANY : DV_FORM_PHONE;
        if (mail)
            dv_structure_put_typed(structure, parts[i], DV_PII_EMAIL, DV_FORM_EMAIL, hl7_why);
        else if (i == 0 || (i >= 5 && i != 8))
            dv_structure_put_typed(structure, parts[i], DV_PII_PHONE, form, hl7_why);
    }
}

/* CX: the fifth component tells what kind of number it is. */
static void put_id(struct dv_structure *structure, const struct dv_range *parts, uint32_t count, enum dv_pii type)
{
    static const struct {
        const char *code;
        enum dv_pii type;
    } codes[] = { { "mr", DV_PII_MRN }, { "pi", DV_PII_MRN }, { "ss", DV_PII_SSN },  { "an", DV_PII_ACCOUNT },
                  { "dl", DV_PII_ID },  { "ppn", DV_PII_ID }, { "ni", DV_PII_ID },   { "nh", DV_PII_ID },
                  { "mc", DV_PII_ID },  { "ma", DV_PII_ID },  { "nnesp", DV_PII_ID } };
    for (size_t i = 0; count > 4 && i < sizeof codes / sizeof *codes; i++)
        if (dv_range_is(structure, parts[4], codes[i].code))
            type = codes[i].type;
    dv_structure_put_typed(structure, parts[0], type, DV_FORM_ANY, hl7_why);
}

/* XCN: an id, then a name; NDL has them a level below. */
static void put_person(struct dv_structure *structure, const struct dv_range *parts, uint32_t count,
                       struct dv_range whole)
{
    struct dv_range inner[COMPONENTS_MAX];
    uint32_t inner_count = dv_range_part(structure, parts[0], '&', inner, COMPONENTS_MAX);
    if (inner_count > 1) {
        dv_structure_put_typed(structure, inner[0], DV_PII_ID, DV_FORM_NUMBER, hl7_why);
        dv_structure_put_typed(structure, span_of(inner, inner_count, 1, 4), DV_PII_PERSON, DV_FORM_NAME, hl7_why);
        return;
    }
    if (count == 1) {
        enum dv_key_form form = DV_FORM_NUMBER;
        bool digit = false;
        for (uint32_t at = whole.start; at < whole.end; at++)
            digit |= dv_is_digit(structure->text[at]);
        dv_structure_put_typed(structure, whole, digit ? DV_PII_ID : DV_PII_PERSON, digit ? form : DV_FORM_NAME,
                               hl7_why);
        return;
    }
    dv_structure_put_typed(structure, parts[0], DV_PII_ID, DV_FORM_ANY, hl7_why);
    dv_structure_put_typed(structure, span_of(parts, count, 1, 4), DV_PII_PERSON, DV_FORM_NAME, hl7_why);
}

static void put_hl7(struct dv_structure *structure, struct dv_range value, enum hl7_kind kind)
{
    struct dv_range parts[COMPONENTS_MAX];
    uint32_t count = dv_range_part(structure, value, '^', parts, COMPONENTS_MAX);
    switch (kind) {
    case HL7_NAME:
        dv_structure_put_typed(structure, span_of(parts, count, 0, 3), DV_PII_PERSON, DV_FORM_NAME, hl7_why);
        break;
    case HL7_PERSON: put_person(structure, parts, count, value); break;
    case HL7_PLACE: put_place(structure, parts, count); break;
    case HL7_PHONE: put_phone(structure, parts, count); break;
    case HL7_DATE: dv_structure_put_typed(structure, parts[0], DV_PII_DATE, DV_FORM_DATE, hl7_why); break;
    case HL7_ID: put_id(structure, parts, count, DV_PII_ID); break;
    case HL7_MRN: put_id(structure, parts, count, DV_PII_MRN); break;
    case HL7_ACCOUNT: put_id(structure, parts, count, DV_PII_ACCOUNT); break;
    case HL7_SSN: dv_structure_put_typed(structure, parts[0], DV_PII_SSN, DV_FORM_NUMBER, hl7_why); break;
    case HL7_TOWN: dv_structure_put_typed(structure, parts[0], DV_PII_LOCATION, DV_FORM_ANY, hl7_why); break;
    case HL7_TEXT: dv_read_inline(structure, value.start, value.end); break;
    }
}

static void read_hl7_field(struct dv_structure *structure, struct dv_range field, enum hl7_kind kind)
{
    for (uint32_t at = field.start; at < field.end;) {
        uint32_t end = kind == HL7_TEXT ? field.end : dv_text_find(structure, at, field.end, '~');
        put_hl7(structure, (struct dv_range){ at, end }, kind);
        at = end + 1;
    }
}

/* The calendar's figures at the start of a time: a year of ours, a month, a day. */
static bool is_time(const struct dv_structure *structure, struct dv_range value)
{
    uint32_t digits = 0;
    while (value.start + digits < value.end && dv_is_digit(structure->text[value.start + digits]))
        digits++;
    if (value.start + digits != value.end || (digits != 8 && digits != 12 && digits != 14))
        return false;
    const unsigned char *text = structure->text + value.start;
    bool century = (text[0] == '1' && text[1] >= '8') || (text[0] == '2' && text[1] == '0');
    bool month = (text[4] == '0' && text[5] > '0') || (text[4] == '1' && text[5] <= '2');
    return century && month && text[6] <= '3';
}

/* LAST^FIRST: components of three letters and more, and nothing else. */
static bool is_name(const struct dv_structure *structure, struct dv_range value)
{
    uint32_t letters = 0, components = 1;
    for (uint32_t at = value.start; at < value.end; at++) {
        unsigned char byte = structure->text[at];
        if (byte == '^' && letters < 3)
            return false;
        components += byte == '^';
        letters = byte == '^' ? 0 : letters + 1;
        if (byte != '^' && byte != '-' && byte != '\'' && byte != ' ' && !dv_is_letter(byte) && byte < 0x80)
            return false;
    }
    return components >= 2;
}

/* A field that the table does not name, in a segment about people: senders often are a place off. */
static void put_by_look(struct dv_structure *structure, const struct hl7_segment *segment, uint32_t number,
                        struct dv_range value)
{
    enum { ID_DIGITS_MIN = 7 };
    static const char about_people[] = "PID NK1 GT1 IN1 IN2 MRG PD1 PV1";
    bool coded = number == 3 || number == 10 || (number >= 15 && number <= 17) || number == 22 || number == 26;
    uint32_t digits = 0, others = 0;
    if (strstr(about_people, segment->name) == NULL)
        return;
    for (uint32_t at = value.start; at < value.end; at++) {
        digits += dv_is_digit(structure->text[at]);
        others += !dv_is_alnum(structure->text[at]);
    }
    if (is_time(structure, value))
        dv_structure_put_typed(structure, value, DV_PII_DATE, DV_FORM_DATE, hl7_look);
    else if (digits >= ID_DIGITS_MIN && others == 0)
        dv_structure_put_typed(structure, value, DV_PII_ID, DV_FORM_NUMBER, hl7_look);
    else if ((!coded || segment->name[1] == 'N') && is_name(structure, value))
        dv_structure_put_typed(structure, value, DV_PII_PERSON, DV_FORM_NAME, hl7_look);
}

/* One field; text that may be about anybody is left out of what is nobody's, which begins at *framed. */
static void put_hl7_field(struct dv_structure *structure, const struct hl7_segment *segment, uint32_t number,
                          struct dv_range value, uint32_t *framed)
{
    for (const struct hl7_field *field = segment->fields; field->number != 0; field++) {
        if (field->number != number)
            continue;
        if (field->kind == HL7_TEXT) {
            dv_structure_put_plain(structure, (struct dv_range){ *framed, value.start });
            *framed = value.end;
        }
        read_hl7_field(structure, value, (enum hl7_kind)field->kind);
        return;
    }
    put_by_look(structure, segment, number, value);
}

uint32_t dv_read_hl7(struct dv_structure *structure, uint32_t at)
{
    uint32_t begin = at + (structure->text[at] == 0x0B); /* MLLP frames */
    const struct hl7_segment *segment = segment_at(structure, begin);
    if (segment == NULL)
        return at;
    unsigned char mark = structure->text[begin + 3];
    bool header = memcmp(segment->name, "MSH", 3) == 0 && !dv_is_alnum(mark) && mark > ' ';
    if (header)
        structure->hl7_mark = mark;
    if (!header && mark != (structure->hl7_mark != 0 ? structure->hl7_mark : '|'))
        return at;
    uint32_t end = segment_end(structure, begin);
    uint32_t from = begin + 4, framed = begin;
    for (uint32_t number = 1; from <= end && !header; number++) {
        uint32_t to = dv_text_find(structure, from, end, mark);
        put_hl7_field(structure, segment, number, (struct dv_range){ from, to }, &framed);
        from = to + 1;
    }
    dv_structure_put_plain(structure, (struct dv_range){ framed, end });
    bool written = dv_text_byte(structure, end) == '\\';
    return end + (written ? 2 : end < structure->length);
}
