/* SPDX-License-Identifier: Apache-2.0
 * detect_id_more.c - what single identity numbers say beside their sums: I to Z, and things. */
#include "privacy/detect_id_calc.h"

bool dv_id_in_aadhaar(const struct dv_id *id)
{
    bool palindrome = true;
    for (uint32_t i = 0; i < 6; i++)
        palindrome = palindrome && id->text[i] == id->text[11 - i];
    return id->text[0] >= '2' && !palindrome && dv_id_verhoeff(id);
}

bool dv_id_in_pan(const struct dv_id *id)
{
    return dv_is_one_of(id->text[3], "ABCFGHLJPTK") && memcmp(id->text + 5, "0000", 4) != 0;
}

bool dv_id_is_kennitala(const struct dv_id *id)
{
    uint32_t day = dv_id_two(id, 0);
    bool century = id->text[9] == '9' || id->text[9] == '0';
    return century && dv_is_date((id->text[9] == '9' ? 1900 : 2000) + dv_id_two(id, 4), dv_id_two(id, 2), day >= 40 ? day - 40 : day);
}

/* The digit that a letter stands for where two people would have the same code (omocodia). */
static char plain_digit(char character)
{
    const char *letters = "LMNPQRSTUV";
    return character <= '9' ? character : dv_is_one_of(character, letters) ? (char)('0' + (strchr(letters, character) - letters)) : '?';
}

bool dv_id_it_codice(const struct dv_id *id)
{
    static const uint8_t odd[] = { 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23 };
    static const uint8_t digits[] = { 6, 7, 9, 10, 12, 13, 14 };
    static const char months[] = "ABCDEHLMPRST";
    struct dv_id plain = *id;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < sizeof digits; i++)
        if ((plain.text[digits[i]] = plain_digit(id->text[digits[i]])) == '?')
            return false;
    for (uint32_t i = 0; i < 15; i++) {
        uint32_t value = dv_id_value(id->text[i]);
        value -= value >= 10 ? 10 : 0;
        sum += i % 2 == 0 ? odd[value] : value;
    }
    if (!dv_is_one_of(id->text[8], months) || 'A' + (int)(sum % 26) != id->text[15])
        return false;
    return dv_is_date(2000 + dv_id_two(&plain, 6), (uint32_t)(strchr(months, id->text[8]) - months) + 1, dv_id_two(&plain, 9) % 40);
}

bool dv_id_kr_rrn(const struct dv_id *id)
{
    char seventh = id->text[6];
    uint32_t century = dv_is_one_of(seventh, "1256") ? 1900 : dv_is_one_of(seventh, "3478") ? 2000 : 1800;
    return dv_is_date(century + dv_id_two(id, 0), dv_id_two(id, 2), dv_id_two(id, 4)) && dv_id_two(id, 7) <= 96;
}

bool dv_id_lv_pk(const struct dv_id *id)
{
    return dv_is_date(1800 + dv_id_digit(id, 6) * 100 + dv_id_two(id, 4), dv_id_two(id, 2), dv_id_two(id, 0));
}

bool dv_id_mx_curp(const struct dv_id *id)
{
    static const char states[] = "AS BC BS CC CH CL CM CS DF DG GR GT HG JC MC MN MS NE NL NT OC PL QR QT SL SP SR TC TL TS VZ YN ZS ";
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 17; i++) /* an Ñ stands between N and O */
        sum += (18 - i) * (dv_id_value(id->text[i]) + (id->text[i] >= 'O'));
    bool state = false;
    for (size_t i = 0; i + 1 < sizeof states && !state; i += 3)
        state = memcmp(states + i, id->text + 11, 2) == 0;
    uint32_t century = id->text[16] <= '9' ? 1900 : 2000;
    return state && dv_is_one_of(id->text[10], "HM") && (10 - sum % 10) % 10 == dv_id_digit(id, 17) &&
           dv_is_date(century + dv_id_two(id, 4), dv_id_two(id, 6), dv_id_two(id, 8));
}

bool dv_id_mx_rfc(const struct dv_id *id)
{
    uint32_t from = id->length - 9;
    return dv_is_date(2000 + dv_id_two(id, from), dv_id_two(id, from + 2), dv_id_two(id, from + 4));
}

bool dv_id_my_nric(const struct dv_id *id)
{
    uint32_t place = dv_id_two(id, 6);
    bool none = place == 0 || (place >= 17 && place <= 20) || place == 65 || place == 69 || place == 70 || place == 73 || place == 80 ||
                place == 81 || (place >= 94 && place <= 97);
    return !none && dv_is_date(2000 + dv_id_two(id, 0), dv_id_two(id, 2), dv_id_two(id, 4));
}

/* Numbers of people without a birth number add 40 to the day; provisional ones add 40 to the month. */
bool dv_id_no_fodselsnummer(const struct dv_id *id)
{
    uint32_t day = dv_id_two(id, 0), month = dv_id_two(id, 2), year = dv_id_two(id, 4);
    uint64_t person = dv_id_number(id, 6, 3);
    uint32_t century = person < 500 ? 1900 : person < 750 && year >= 54 ? 1800 : year < 40 ? 2000 : person >= 900 ? 1900 : 0;
    return day < 80 && century != 0 && dv_is_date(century + year, month > 40 ? month - 40 : month, day > 40 ? day - 40 : day);
}

bool dv_id_nz_ird(const struct dv_id *id)
{
    static const uint8_t first[] = { 3, 2, 7, 6, 5, 4, 3, 2 }, second[] = { 7, 4, 3, 2, 5, 2, 7, 6 };
    uint32_t skip = 9 - id->length, count = id->length - 1;
    uint64_t whole = dv_id_number(id, 0, id->length);
    uint32_t check = (11 - dv_id_weigh(id, first + skip, 0, count) % 11) % 11;
    if (check == 10)
        check = (11 - dv_id_weigh(id, second + skip, 0, count) % 11) % 11;
    return whole > 10000000 && whole < 150000000 && check == dv_id_digit(id, id->length - 1);
}

/* HISO 10046: the letters without I and O count from 1; numbers that end in digits go by 11, those in letters by 23. */
bool dv_id_nz_nhi(const struct dv_id *id)
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ";
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 7; i++)
        if (id->text[i] > '9' && !dv_is_one_of(id->text[i], letters))
            return false;
    for (uint32_t i = 0; i < 6; i++)
        sum += (7 - i) * (id->text[i] <= '9' ? dv_id_digit(id, i) : (uint32_t)(strchr(letters, id->text[i]) - letters) + 1);
    if (id->text[6] > '9')
        return letters[22 - sum % 23] == id->text[6];
    return sum % 11 != 0 && (11 - sum % 11) % 10 == dv_id_digit(id, 6);
}

bool dv_id_pe_cui(const struct dv_id *id)
{
    static const uint8_t weights[] = { 3, 2, 7, 6, 5, 4, 3, 2 };
    uint32_t rest = dv_id_weigh(id, weights, 0, 8) % 11;
    return "65432110987"[rest] == id->text[8] || "KJIHGFEDCBA"[rest] == id->text[8];
}

bool dv_id_pl_pesel(const struct dv_id *id)
{
    static const uint32_t centuries[] = { 1900, 2000, 2100, 2200, 1800 };
    uint32_t month = dv_id_two(id, 2);
    return dv_is_date(centuries[month / 20] + dv_id_two(id, 0), month % 20, dv_id_two(id, 4));
}

bool dv_id_pt_cc(const struct dv_id *id)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 11; i++) {
        uint32_t value = dv_id_value(id->text[i]);
        if (i % 2 == 0)
            value = value * 2 > 9 ? value * 2 - 9 : value * 2;
        sum += value;
    }
    return (10 - sum % 10) % 10 == dv_id_digit(id, 11);
}

bool dv_id_pt_nif(const struct dv_id *id)
{
    return id->text[0] != '0';
}

bool dv_id_ro_cnp(const struct dv_id *id)
{
    uint32_t first = dv_id_digit(id, 0);
    uint32_t century = first == 3 || first == 4 ? 1800 : first == 5 || first == 6 ? 2000 : 1900;
    return first != 0 && dv_is_date(century + dv_id_two(id, 1), dv_id_two(id, 3), dv_id_two(id, 5));
}

/* Checks exist for numbers above 001-001-998. */
bool dv_id_ru_snils(const struct dv_id *id)
{
    static const uint8_t weights[] = { 9, 8, 7, 6, 5, 4, 3, 2, 1 };
    return dv_id_number(id, 0, 9) > 1001998 && dv_id_weigh(id, weights, 0, 9) % 101 % 100 == dv_id_number(id, 9, 2);
}

/* With a plus the year is a hundred earlier: 00 is 1900 then, which had no leap day. */
bool dv_id_se_personnummer(const struct dv_id *id)
{
    uint32_t skip = id->length - 10;
    uint32_t year = skip != 0 ? (uint32_t)dv_id_number(id, 0, 4) : (id->sign == '+' ? 1900 : 2000) + dv_id_two(id, 0);
    return dv_id_luhn_rest(id, skip) == 0 && dv_is_date(year, dv_id_two(id, skip + 2), dv_id_two(id, skip + 4));
}

bool dv_id_sg_nric(const struct dv_id *id)
{
    static const uint8_t weights[] = { 2, 7, 6, 5, 4, 3, 2 };
    uint32_t sum = dv_id_weigh(id, weights, 1, 7) + (dv_is_one_of(id->text[0], "TG") ? 4 : id->text[0] == 'M' ? 3 : 0);
    if (!dv_is_one_of(id->text[0], "STFGM"))
        return false;
    const char *letters = id->text[0] >= 'S' ? "JZIHGFEDCBA" : id->text[0] == 'M' ? "XWUTRQPNJLK" : "XWUTRQPNMLK";
    return letters[sum % 11] == id->text[8];
}

bool dv_id_si_emso(const struct dv_id *id)
{
    uint32_t year = (uint32_t)dv_id_number(id, 4, 3);
    return dv_is_date(year + (year < 800 ? 2000 : 1000), dv_id_two(id, 2), dv_id_two(id, 0));
}

bool dv_id_th_pin(const struct dv_id *id)
{
    return !dv_is_one_of(id->text[0], "09");
}

bool dv_id_tr_tckimlik(const struct dv_id *id)
{
    return id->text[0] != '0';
}

bool dv_id_tw_id(const struct dv_id *id)
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVXYWZIO";
    static const uint8_t weights[] = { 8, 7, 6, 5, 4, 3, 2, 1, 1 };
    uint32_t letter = (uint32_t)(strchr(letters, id->text[0]) - letters) + 10;
    return dv_is_one_of(id->text[1], "1289") && (letter / 10 + letter % 10 * 9 + dv_id_weigh(id, weights, 1, 9)) % 10 == 0;
}

bool dv_id_us_dea(const struct dv_id *id)
{
    static const uint8_t weights[] = { 1, 2, 1, 2, 1, 2 };
    bool holder = dv_is_one_of(id->text[0], "ABCDEFGHJKLMPRSTUX") && (id->text[1] > '9' || id->text[1] == '9');
    return holder && dv_id_weigh(id, weights, 2, 6) % 10 == dv_id_digit(id, 8);
}

/* Prefixes that the Internal Revenue Service has given to no campus. */
bool dv_id_us_ein(const struct dv_id *id)
{
    static const uint8_t never[] = { 0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97 };
    return memchr(never, (int)dv_id_two(id, 0), sizeof never) == NULL;
}

bool dv_id_us_itin(const struct dv_id *id)
{
    uint32_t group = dv_id_two(id, 3);
    return id->text[0] == '9' && group >= 50 && (group <= 65 || group >= 70) && group != 89 && group != 93;
}

/* Luhn with the prefix 80840 of the United States' health sector, which adds 24. */
bool dv_id_us_npi(const struct dv_id *id)
{
    return dv_is_one_of(id->text[0], "12") && (dv_id_luhn_rest(id, 0) + 24) % 10 == 0;
}

/* ISO 3779, with the check digit that North America demands; elsewhere the ninth is anything. */
bool dv_id_vin(const struct dv_id *id)
{
    static const uint8_t weights[] = { 8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2 };
    static const char values[] = "12345678?12345?7?923456789"; /* of the letters; I, O and Q are none */
    uint32_t sum = 0, letters = 0;
    for (uint32_t i = 0; i < 17; i++) {
        char character = id->text[i] <= '9' ? id->text[i] : values[id->text[i] - 'A'];
        if (character == '?')
            return false;
        letters += id->text[i] > '9';
        sum += weights[i] * (uint32_t)(character - '0');
    }
    return letters >= 2 && letters <= 14 && "0123456789X"[sum % 11] == id->text[8];
}

bool dv_id_za_idnr(const struct dv_id *id)
{
    return dv_is_one_of(id->text[10], "01") && dv_is_date(2000 + dv_id_two(id, 0), dv_id_two(id, 2), dv_id_two(id, 4)) && dv_id_luhn(id);
}
