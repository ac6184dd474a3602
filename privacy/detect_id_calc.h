/* SPDX-License-Identifier: Apache-2.0
 * detect_id_calc.h - arithmetic on the characters of an identity number.
 *
 * Private to privacy/. Positions count from 0; a position that is read as a digit must hold one. */
#ifndef DV_PRIVACY_DETECT_ID_CALC_H
#define DV_PRIVACY_DETECT_ID_CALC_H

#include <string.h>

#include "privacy/detect_id.h"

/* Its value in base 36. */
static inline uint32_t dv_id_value(char character)
{
    return (uint32_t)(character <= '9' ? character - '0' : character - 'A' + 10);
}

/* The value of the digit at `at`. */
static inline uint32_t dv_id_digit(const struct dv_id *id, uint32_t at)
{
    return (uint32_t)(id->text[at] - '0');
}

/* The number in `count` digits. */
static inline uint64_t dv_id_number(const struct dv_id *id, uint32_t from, uint32_t count)
{
    uint64_t whole = 0;
    for (uint32_t i = from; i < from + count; i++)
        whole = whole * 10 + dv_id_digit(id, i);
    return whole;
}

/* The number in two digits. */
static inline uint32_t dv_id_two(const struct dv_id *id, uint32_t from)
{
    return dv_id_digit(id, from) * 10 + dv_id_digit(id, from + 1);
}

/* Whether it is a day of the calendar. */
static inline bool dv_is_date(uint32_t year, uint32_t month, uint32_t day)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    if (year == 0 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (uint32_t)(month == 2 && leap);
}

/* Whether the character is one of these. */
static inline bool dv_is_one_of(char character, const char *characters)
{
    return character != '\0' && strchr(characters, character) != NULL;
}

/* The sum of weight times value. */
static inline uint32_t dv_id_weigh(const struct dv_id *id, const uint8_t *weights, uint32_t from, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i] * dv_id_value(id->text[from + i]);
    return sum;
}

/* ISO/IEC 7812-1, over the characters from..length. */
static inline uint32_t dv_id_luhn_rest(const struct dv_id *id, uint32_t from)
{
    uint32_t sum = 0;
    for (uint32_t i = from; i < id->length; i++) {
        uint32_t value = dv_id_digit(id, i) << ((id->length - 1 - i) & 1);
        sum += value > 9 ? value - 9 : value;
    }
    return sum % 10;
}

#endif
