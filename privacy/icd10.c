/* SPDX-License-Identifier: Apache-2.0
 * icd10.c - a diagnosis code of ICD-10 or ICD-10-CM to its category, block or chapter, by ranges of categories.
 *
 * The blocks and chapters are those of ICD-10-CM 2025, a work of the United States government; ICD-10 of the WHO has the
 * same but for a few. Categories are compared as text: C4A stands behind C44. */
#include "privacy/generalize.h"

#include <string.h>

enum { CATEGORY = 3, CODE_MAX = 8 };

/* Categories first..last, both included, are of the block. Sorted. */
struct block {
    char first[CATEGORY + 1], last[CATEGORY + 1];
    char name[8];
};

/* clang-format off */
static const struct block blocks[] = {
    { "A00", "A09", "A00-A09" }, { "A15", "A19", "A15-A19" }, { "A20", "A28", "A20-A28" },
    { "A30", "A49", "A30-A49" }, { "A50", "A64", "A50-A64" }, { "A65", "A69", "A65-A69" },
    { "A70", "A74", "A70-A74" }, { "A75", "A79", "A75-A79" }, { "A80", "A89", "A80-A89" },
    { "A90", "A99", "A90-A99" }, { "B00", "B09", "B00-B09" }, { "B10", "B10", "B10" },
    { "B15", "B19", "B15-B19" }, { "B20", "B20", "B20" }, { "B25", "B34", "B25-B34" },
    { "B35", "B49", "B35-B49" }, { "B50", "B64", "B50-B64" }, { "B65", "B83", "B65-B83" },
    { "B85", "B89", "B85-B89" }, { "B90", "B94", "B90-B94" }, { "B95", "B97", "B95-B97" },
    { "B99", "B99", "B99" }, { "C00", "C14", "C00-C14" }, { "C15", "C26", "C15-C26" },
    { "C30", "C39", "C30-C39" }, { "C40", "C41", "C40-C41" }, { "C43", "C44", "C43-C44" },
    { "C45", "C49", "C45-C49" }, { "C4A", "C4A", "C43-C44" }, { "C50", "C50", "C50" },
    { "C51", "C58", "C51-C58" }, { "C60", "C63", "C60-C63" }, { "C64", "C68", "C64-C68" },
    { "C69", "C72", "C69-C72" }, { "C73", "C75", "C73-C75" }, { "C76", "C79", "C76-C80" },
    { "C7A", "C7A", "C7A" }, { "C7B", "C7B", "C7B" }, { "C80", "C80", "C76-C80" },
    { "C81", "C96", "C81-C96" }, { "D00", "D09", "D00-D09" }, { "D10", "D36", "D10-D36" },
    { "D37", "D39", "D37-D48" }, { "D3A", "D3A", "D3A" }, { "D40", "D48", "D37-D48" },
    { "D49", "D49", "D49" }, { "D50", "D53", "D50-D53" }, { "D55", "D59", "D55-D59" },
    { "D60", "D64", "D60-D64" }, { "D65", "D69", "D65-D69" }, { "D70", "D77", "D70-D77" },
    { "D78", "D78", "D78" }, { "D80", "D89", "D80-D89" }, { "E00", "E07", "E00-E07" },
    { "E08", "E13", "E08-E13" }, { "E15", "E16", "E15-E16" }, { "E20", "E35", "E20-E35" },
    { "E36", "E36", "E36" }, { "E40", "E46", "E40-E46" }, { "E50", "E64", "E50-E64" },
    { "E65", "E68", "E65-E68" }, { "E70", "E88", "E70-E88" }, { "E89", "E89", "E89" },
    { "F00", "F09", "F01-F09" }, { "F10", "F19", "F10-F19" }, { "F20", "F29", "F20-F29" },
    { "F30", "F39", "F30-F39" }, { "F40", "F48", "F40-F48" }, { "F50", "F59", "F50-F59" },
    { "F60", "F69", "F60-F69" }, { "F70", "F79", "F70-F79" }, { "F80", "F89", "F80-F89" },
    { "F90", "F98", "F90-F98" }, { "F99", "F99", "F99" }, { "G00", "G09", "G00-G09" },
    { "G10", "G14", "G10-G14" }, { "G20", "G26", "G20-G26" }, { "G30", "G32", "G30-G32" },
    { "G35", "G37", "G35-G37" }, { "G40", "G47", "G40-G47" }, { "G50", "G59", "G50-G59" },
    { "G60", "G65", "G60-G65" }, { "G70", "G73", "G70-G73" }, { "G80", "G83", "G80-G83" },
    { "G89", "G99", "G89-G99" }, { "H00", "H05", "H00-H05" }, { "H10", "H11", "H10-H11" },
    { "H15", "H22", "H15-H22" }, { "H25", "H28", "H25-H28" }, { "H30", "H36", "H30-H36" },
    { "H40", "H42", "H40-H42" }, { "H43", "H44", "H43-H44" }, { "H46", "H47", "H46-H47" },
    { "H49", "H52", "H49-H52" }, { "H53", "H54", "H53-H54" }, { "H55", "H57", "H55-H57" },
    { "H59", "H59", "H59" }, { "H60", "H62", "H60-H62" }, { "H65", "H75", "H65-H75" },
    { "H80", "H83", "H80-H83" }, { "H90", "H94", "H90-H94" }, { "H95", "H95", "H95" },
    { "I00", "I02", "I00-I02" }, { "I05", "I09", "I05-I09" }, { "I10", "I1A", "I10-I1A" },
    { "I20", "I25", "I20-I25" }, { "I26", "I28", "I26-I28" }, { "I30", "I5A", "I30-I5A" },
    { "I60", "I69", "I60-I69" }, { "I70", "I79", "I70-I79" }, { "I80", "I89", "I80-I89" },
    { "I95", "I99", "I95-I99" }, { "J00", "J06", "J00-J06" }, { "J09", "J18", "J09-J18" },
    { "J20", "J22", "J20-J22" }, { "J30", "J39", "J30-J39" }, { "J40", "J4A", "J40-J4A" },
    { "J60", "J70", "J60-J70" }, { "J80", "J84", "J80-J84" }, { "J85", "J86", "J85-J86" },
    { "J90", "J94", "J90-J94" }, { "J95", "J95", "J95" }, { "J96", "J99", "J96-J99" },
    { "K00", "K14", "K00-K14" }, { "K20", "K31", "K20-K31" }, { "K35", "K38", "K35-K38" },
    { "K40", "K46", "K40-K46" }, { "K50", "K52", "K50-K52" }, { "K55", "K64", "K55-K64" },
    { "K65", "K68", "K65-K68" }, { "K70", "K77", "K70-K77" }, { "K80", "K87", "K80-K87" },
    { "K90", "K95", "K90-K95" }, { "L00", "L08", "L00-L08" }, { "L10", "L14", "L10-L14" },
    { "L20", "L30", "L20-L30" }, { "L40", "L45", "L40-L45" }, { "L49", "L54", "L49-L54" },
    { "L55", "L59", "L55-L59" }, { "L60", "L75", "L60-L75" }, { "L76", "L76", "L76" },
    { "L80", "L99", "L80-L99" }, { "M00", "M02", "M00-M02" }, { "M04", "M04", "M04" },
    { "M05", "M14", "M05-M14" }, { "M15", "M19", "M15-M19" }, { "M1A", "M1A", "M05-M14" },
    { "M20", "M25", "M20-M25" }, { "M26", "M27", "M26-M27" }, { "M30", "M36", "M30-M36" },
    { "M40", "M43", "M40-M43" }, { "M45", "M49", "M45-M49" }, { "M50", "M54", "M50-M54" },
    { "M60", "M63", "M60-M63" }, { "M65", "M67", "M65-M67" }, { "M70", "M79", "M70-M79" },
    { "M80", "M85", "M80-M85" }, { "M86", "M90", "M86-M90" }, { "M91", "M94", "M91-M94" },
    { "M95", "M95", "M95" }, { "M96", "M96", "M96" }, { "M97", "M97", "M97" }, { "M99", "M99", "M99" },
    { "N00", "N08", "N00-N08" }, { "N10", "N16", "N10-N16" }, { "N17", "N19", "N17-N19" },
    { "N20", "N23", "N20-N23" }, { "N25", "N29", "N25-N29" }, { "N30", "N39", "N30-N39" },
    { "N40", "N53", "N40-N53" }, { "N60", "N65", "N60-N65" }, { "N70", "N77", "N70-N77" },
    { "N80", "N98", "N80-N98" }, { "N99", "N99", "N99" }, { "O00", "O08", "O00-O08" },
    { "O09", "O09", "O09" }, { "O10", "O16", "O10-O16" }, { "O20", "O29", "O20-O29" },
    { "O30", "O48", "O30-O48" }, { "O60", "O77", "O60-O77" }, { "O80", "O82", "O80-O82" },
    { "O85", "O92", "O85-O92" }, { "O94", "O9A", "O94-O9A" }, { "P00", "P04", "P00-P04" },
    { "P05", "P08", "P05-P08" }, { "P09", "P09", "P09" }, { "P10", "P15", "P10-P15" },
    { "P19", "P29", "P19-P29" }, { "P35", "P39", "P35-P39" }, { "P50", "P61", "P50-P61" },
    { "P70", "P74", "P70-P74" }, { "P76", "P78", "P76-P78" }, { "P80", "P83", "P80-P83" },
    { "P84", "P84", "P84" }, { "P90", "P96", "P90-P96" }, { "Q00", "Q07", "Q00-Q07" },
    { "Q10", "Q18", "Q10-Q18" }, { "Q20", "Q28", "Q20-Q28" }, { "Q30", "Q34", "Q30-Q34" },
    { "Q35", "Q37", "Q35-Q37" }, { "Q38", "Q45", "Q38-Q45" }, { "Q50", "Q56", "Q50-Q56" },
    { "Q60", "Q64", "Q60-Q64" }, { "Q65", "Q79", "Q65-Q79" }, { "Q80", "Q89", "Q80-Q89" },
    { "Q90", "Q99", "Q90-Q99" }, { "QA0", "QA0", "QA0" }, { "R00", "R09", "R00-R09" },
    { "R10", "R19", "R10-R19" }, { "R20", "R23", "R20-R23" }, { "R25", "R29", "R25-R29" },
    { "R30", "R39", "R30-R39" }, { "R40", "R46", "R40-R46" }, { "R47", "R49", "R47-R49" },
    { "R50", "R69", "R50-R69" }, { "R70", "R79", "R70-R79" }, { "R80", "R82", "R80-R82" },
    { "R83", "R89", "R83-R89" }, { "R90", "R94", "R90-R94" }, { "R97", "R97", "R97" },
    { "R99", "R99", "R99" }, { "S00", "S09", "S00-S09" }, { "S10", "S19", "S10-S19" },
    { "S20", "S29", "S20-S29" }, { "S30", "S39", "S30-S39" }, { "S40", "S49", "S40-S49" },
    { "S50", "S59", "S50-S59" }, { "S60", "S69", "S60-S69" }, { "S70", "S79", "S70-S79" },
    { "S80", "S89", "S80-S89" }, { "S90", "S99", "S90-S99" }, { "T07", "T07", "T07" },
    { "T14", "T14", "T14" }, { "T15", "T19", "T15-T19" }, { "T20", "T25", "T20-T25" },
    { "T26", "T28", "T26-T28" }, { "T30", "T32", "T30-T32" }, { "T33", "T34", "T33-T34" },
    { "T36", "T50", "T36-T50" }, { "T51", "T65", "T51-T65" }, { "T66", "T78", "T66-T78" },
    { "T79", "T79", "T79" }, { "T80", "T88", "T80-T88" }, { "U07", "U09", "U00-U49" },
    { "V00", "V09", "V00-V09" }, { "V10", "V19", "V10-V19" }, { "V20", "V29", "V20-V29" },
    { "V30", "V39", "V30-V39" }, { "V40", "V49", "V40-V49" }, { "V50", "V59", "V50-V59" },
    { "V60", "V69", "V60-V69" }, { "V70", "V79", "V70-V79" }, { "V80", "V89", "V80-V89" },
    { "V90", "V94", "V90-V94" }, { "V95", "V97", "V95-V97" }, { "V98", "V99", "V98-V99" },
    { "W00", "W19", "W00-W19" }, { "W20", "W49", "W20-W49" }, { "W50", "W64", "W50-W64" },
    { "W65", "W74", "W65-W74" }, { "W85", "W99", "W85-W99" }, { "X00", "X08", "X00-X08" },
    { "X10", "X19", "X10-X19" }, { "X30", "X39", "X30-X39" }, { "X50", "X50", "X50" },
    { "X52", "X58", "X52-X58" }, { "X71", "X83", "X71-X83" }, { "X92", "Y09", "X92-Y09" },
    { "Y21", "Y33", "Y21-Y33" }, { "Y35", "Y38", "Y35-Y38" }, { "Y62", "Y69", "Y62-Y69" },
    { "Y70", "Y82", "Y70-Y82" }, { "Y83", "Y84", "Y83-Y84" }, { "Y90", "Y99", "Y90-Y99" },
    { "Z00", "Z13", "Z00-Z13" }, { "Z14", "Z15", "Z14-Z15" }, { "Z16", "Z16", "Z16" },
    { "Z17", "Z17", "Z17" }, { "Z18", "Z18", "Z18" }, { "Z19", "Z19", "Z19" }, { "Z20", "Z29", "Z20-Z29" },
    { "Z30", "Z3A", "Z30-Z39" }, { "Z40", "Z53", "Z40-Z53" }, { "Z55", "Z65", "Z55-Z65" },
    { "Z66", "Z66", "Z66" }, { "Z67", "Z67", "Z67" }, { "Z68", "Z68", "Z68" }, { "Z69", "Z76", "Z69-Z76" },
    { "Z77", "Z99", "Z77-Z99" },
};

static const struct block chapters[] = {
    { "A00", "B99", "A00-B99" }, { "C00", "D49", "C00-D49" }, { "D50", "D89", "D50-D89" },
    { "E00", "E99", "E00-E89" }, { "F00", "F99", "F01-F99" }, { "G00", "G99", "G00-G99" },
    { "H00", "H59", "H00-H59" }, { "H60", "H99", "H60-H95" }, { "I00", "I99", "I00-I99" },
    { "J00", "J99", "J00-J99" }, { "K00", "K99", "K00-K95" }, { "L00", "L99", "L00-L99" },
    { "M00", "M99", "M00-M99" }, { "N00", "N99", "N00-N99" }, { "O00", "O9A", "O00-O9A" },
    { "P00", "P99", "P00-P96" }, { "Q00", "QA0", "Q00-QA0" }, { "R00", "R99", "R00-R99" },
    { "S00", "T99", "S00-T88" }, { "U00", "U99", "U00-U85" }, { "V00", "Y99", "V00-Y99" },
    { "Z00", "Z99", "Z00-Z99" },
};
/* clang-format on */

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static char upper(char byte)
{
    return byte >= 'a' && byte <= 'z' ? (char)(byte - 0x20) : byte;
}

static bool is_alnum(char byte)
{
    return is_digit(byte) || (upper(byte) >= 'A' && upper(byte) <= 'Z');
}

/* "E11", "E11.9", "E119", "S72.001A": the category in capitals, or false. A digit stands second but in QA0. */
static bool read_category(const char *code, size_t length, char category[CATEGORY + 1])
{
    if (length < CATEGORY || length > CODE_MAX)
        return false;
    for (size_t i = 0; i < CATEGORY; i++)
        category[i] = upper(code[i]);
    category[CATEGORY] = '\0';
    bool shaped = category[0] >= 'A' && category[0] <= 'Z' && is_alnum(category[1]) && is_alnum(category[2]);
    size_t dot = length > CATEGORY && code[CATEGORY] == '.';
    if (!shaped || (dot != 0 && length == CATEGORY + 1) || length - CATEGORY - dot > 4)
        return false;
    for (size_t i = CATEGORY + dot; i < length; i++)
        if (!is_alnum(code[i]))
            return false;
    return is_digit(category[1]) || strcmp(category, "QA0") == 0;
}

/* The name of the range that holds the category, or NULL. */
static const char *find_range(const struct block *rows, size_t count, const char *category)
{
    size_t low = 0;
    for (size_t high = count; low < high;) {
        size_t middle = (low + high) / 2;
        if (strcmp(rows[middle].last, category) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && strcmp(rows[low].first, category) <= 0 ? rows[low].name : NULL;
}

dv_rc dv_icd10(enum dv_icd10_part part, const char *value, size_t length, struct dv_buffer *out)
{
    char category[CATEGORY + 1];
    out->length = 0;
    if (!read_category(value, length, category))
        return DV_E_DATA;
    const char *chapter = find_range(chapters, sizeof chapters / sizeof *chapters, category);
    const char *name = part == DV_ICD10_BLOCK ? find_range(blocks, sizeof blocks / sizeof *blocks, category) : chapter;
    if (chapter == NULL || name == NULL)
        return DV_E_DATA;
    name = part == DV_ICD10_CATEGORY ? category : name;
    size_t bytes = strlen(name);
    if (bytes > out->size)
        return DV_E_LIMIT;
    memcpy(out->text, name, bytes);
    out->length = bytes;
    return DV_OK;
}
