/* SPDX-License-Identifier: Apache-2.0
 * detect_id_check.c - the sums that identity numbers share, and what single ones say beside their sums: A to I.
 *
 * A day of birth must be one of the calendar. There is no clock here: who is not born yet passes. */
#include "privacy/detect_id_calc.h"

bool dv_id_sums_hold(const struct dv_id_row *row, const struct dv_id *id)
{
    for (uint32_t i = 0; i < DV_ID_SUMS && row->sums[i].modulus != 0; i++) {
        const struct dv_id_sum *sum = &row->sums[i];
        if (sum->map[dv_id_weigh(id, sum->weights, 0, sum->count) % sum->modulus] != id->text[sum->at])
            return false;
    }
    return true;
}

bool dv_id_any(const struct dv_id *id)
{
    return id->length != 0;
}

bool dv_id_not_zero(const struct dv_id *id)
{
    return strspn(id->text, "0") < id->length;
}

bool dv_id_luhn(const struct dv_id *id)
{
    return dv_id_luhn_rest(id, 0) == 0;
}

bool dv_id_luhn_not_zero(const struct dv_id *id)
{
    return dv_id_luhn(id) && dv_id_not_zero(id);
}

/* J. Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group of order ten. */
bool dv_id_verhoeff(const struct dv_id *id)
{
    static const uint8_t permutation[10] = { 1, 5, 7, 6, 2, 8, 3, 0, 9, 4 };
    uint32_t check = 0;
    for (uint32_t i = 0; i < id->length; i++) {
        uint32_t value = dv_id_digit(id, id->length - 1 - i);
        for (uint32_t turn = 0; turn < i % 8; turn++)
            value = permutation[value];
        uint32_t turned = check % 5 + (check < 5 ? value % 5 : 5 - value % 5);
        check = turned % 5 + ((check < 5) == (value < 5) ? 0 : 5);
    }
    return check == 0;
}

/* ISO/IEC 7064, mod 11,10. */
static bool mod11_10(const struct dv_id *id)
{
    uint32_t check = 5;
    for (uint32_t i = 0; i < id->length; i++)
        check = ((check == 0 ? 10 : check) * 2 % 11 + dv_id_digit(id, i)) % 10;
    return check == 1;
}

bool dv_id_ar_cuit(const struct dv_id *id)
{
    static const uint8_t types[] = { 20, 23, 24, 27, 30, 33, 34, 50, 51, 55 };
    return memchr(types, (int)dv_id_two(id, 0), sizeof types) != NULL;
}

bool dv_id_at_vnr(const struct dv_id *id)
{
    return id->text[0] != '0';
}

bool dv_id_au_medicare(const struct dv_id *id)
{
    return dv_is_one_of(id->text[0], "23456");
}

bool dv_id_be_nn(const struct dv_id *id)
{
    uint64_t body = dv_id_number(id, 0, 9), check = dv_id_number(id, 9, 2);
    return dv_id_not_zero(id) && (97 - body % 97 == check || 97 - (body + UINT64_C(2000000000)) % 97 == check);
}

bool dv_id_bg_egn(const struct dv_id *id)
{
    uint32_t month = dv_id_two(id, 2);
    uint32_t century = month > 40 ? 2000 : month > 20 ? 1800 : 1900;
    return dv_is_date(century + dv_id_two(id, 0), month > 40 ? month - 40 : month > 20 ? month - 20 : month, dv_id_two(id, 4));
}

bool dv_id_ch_ssn(const struct dv_id *id)
{
    return memcmp(id->text, "756", 3) == 0;
}

bool dv_id_cn_ric(const struct dv_id *id)
{
    static const uint8_t provinces[] = { 11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43,
                                         44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63, 64, 65, 71, 81, 82 };
    return memchr(provinces, (int)dv_id_two(id, 0), sizeof provinces) != NULL && dv_is_date((uint32_t)dv_id_number(id, 6, 4), dv_id_two(id, 10), dv_id_two(id, 12));
}

/* Nine digits until 1953; from 1954 on the whole is a multiple of 11, with 10 written as 0 until 1985. */
bool dv_id_cz_rc(const struct dv_id *id)
{
    uint32_t year = 1900 + dv_id_two(id, 0);
    if (id->length == 9)
        year -= year >= 1980 ? 100 : 0;
    else
        year += year < 1954 ? 100 : 0;
    if (!dv_is_date(year, dv_id_two(id, 2) % 50 % 20, dv_id_two(id, 4)) || (id->length == 9 && year > 1953))
        return false;
    uint64_t check = dv_id_number(id, 0, 9) % 11;
    return id->length == 9 || dv_id_digit(id, 9) == (year < 1985 ? check % 10 : check);
}

/* One of the first ten digits is there twice or three times, no other more than once. */
bool dv_id_de_idnr(const struct dv_id *id)
{
    uint32_t counts[10] = { 0 }, repeated = 0;
    for (uint32_t i = 0; i < 10; i++)
        counts[dv_id_digit(id, i)]++;
    for (uint32_t i = 0; i < 10; i++) {
        repeated += counts[i] > 1;
        if (counts[i] > 3)
            return false;
    }
    return id->text[0] != '0' && repeated == 1 && mod11_10(id);
}

/* Deutsche Rentenversicherung: the letter counts as two digits, products by their digits' sum. */
bool dv_id_de_rvnr(const struct dv_id *id)
{
    static const uint8_t weights[] = { 2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1 };
    uint32_t letter = (uint32_t)(id->text[8] - 'A' + 1), sum = 0;
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t value = i < 8 ? dv_id_digit(id, i) : i == 8 ? letter / 10 : i == 9 ? letter % 10 : dv_id_digit(id, i - 1);
        sum += value * weights[i] / 10 + value * weights[i] % 10;
    }
    return sum % 10 == dv_id_digit(id, 11) && dv_is_date(2000, dv_id_two(id, 4), dv_id_two(id, 2) > 31 ? dv_id_two(id, 2) - 50 : dv_id_two(id, 2));
}

bool dv_id_dk_cpr(const struct dv_id *id)
{
    uint32_t year = dv_id_two(id, 4);
    char seventh = id->text[6];
    bool before = dv_is_one_of(seventh, "5678") && year >= 58;
    bool last = dv_is_one_of(seventh, "0123") || (dv_is_one_of(seventh, "49") && year >= 37);
    return dv_is_date(year + (before ? 1800 : last ? 1900 : 2000), dv_id_two(id, 2), dv_id_two(id, 0));
}

bool dv_id_ec_ci(const struct dv_id *id)
{
    uint32_t province = dv_id_two(id, 0);
    return ((province >= 1 && province <= 24) || province == 30 || province == 50) && id->text[2] <= '6' && dv_id_luhn(id);
}

/* Two rows of weights; the second is asked when the first gives ten. */
static bool baltic_check(const struct dv_id *id)
{
    static const uint8_t first[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 1 }, second[] = { 3, 4, 5, 6, 7, 8, 9, 1, 2, 3 };
    uint32_t check = dv_id_weigh(id, first, 0, 10) % 11;
    if (check == 10)
        check = dv_id_weigh(id, second, 0, 10) % 11;
    return check % 10 == dv_id_digit(id, 10);
}

bool dv_id_ee_ik(const struct dv_id *id)
{
    uint32_t century = dv_id_digit(id, 0);
    return century >= 1 && century <= 8 && dv_is_date(1700 + (century + 1) / 2 * 100 + dv_id_two(id, 1), dv_id_two(id, 3), dv_id_two(id, 5)) && baltic_check(id);
}

bool dv_id_lt_asmens(const struct dv_id *id)
{
    return id->text[0] == '9' ? baltic_check(id) : dv_id_ee_ik(id);
}

bool dv_id_es_nie(const struct dv_id *id)
{
    if (!dv_is_one_of(id->text[0], "XYZ"))
        return false;
    uint64_t body = (uint64_t)(id->text[0] - 'X') * 10000000 + dv_id_number(id, 1, 7);
    return "TRWAGMYFPDXBNJZSQVHLCKE"[body % 23] == id->text[8];
}

bool dv_id_fi_hetu(const struct dv_id *id)
{
    uint32_t century = id->sign == '+' ? 1800 : id->sign == '-' || id->sign >= 'U' ? 1900 : 2000;
    uint64_t serial = dv_id_number(id, 6, 3);
    bool good = serial >= 2 && serial < 900 && dv_is_date(century + dv_id_two(id, 4), dv_id_two(id, 2), dv_id_two(id, 0));
    return good && "0123456789ABCDEFHJKLMNPRSTUVWXY"[(dv_id_number(id, 0, 6) * 1000 + serial) % 31] == id->text[9];
}

/* Corsica is 2A and 2B, and counts as 19 and 18. */
bool dv_id_fr_nir(const struct dv_id *id)
{
    struct dv_id plain = *id;
    if (id->text[5] == '2' && (id->text[6] == 'A' || id->text[6] == 'B'))
        memcpy(plain.text + 5, id->text[6] == 'A' ? "19" : "18", 2);
    if (strspn(plain.text, "0123456789") != plain.length)
        return false;
    return 97 - dv_id_number(&plain, 0, 13) % 97 == dv_id_number(&plain, 13, 2);
}

bool dv_id_gb_nino(const struct dv_id *id)
{
    static const char *const never[] = { "BG", "GB", "KN", "NK", "NT", "TN", "ZZ" };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (memcmp(id->text, never[i], 2) == 0)
            return false;
    return !dv_is_one_of(id->text[0], "DFIQUV") && !dv_is_one_of(id->text[1], "DFIOQUV") && dv_is_one_of(id->text[8], "ABCD");
}

bool dv_id_gr_amka(const struct dv_id *id)
{
    return dv_id_luhn(id) && dv_is_date(2000 + dv_id_two(id, 4), dv_id_two(id, 2), dv_id_two(id, 0));
}

bool dv_id_hr_oib(const struct dv_id *id)
{
    return mod11_10(id);
}

bool dv_id_ie_pps(const struct dv_id *id)
{
    static const uint8_t weights[] = { 8, 7, 6, 5, 4, 3, 2 };
    static const char letters[] = "WABCDEFGHIJKLMNOPQRSTUV";
    uint32_t sum = dv_id_weigh(id, weights, 0, 7);
    if (id->length == 9 && !dv_is_one_of(id->text[8], "AHWTX"))
        return false;
    if (id->length == 9 && dv_is_one_of(id->text[8], "AH"))
        sum += 9 * (uint32_t)(id->text[8] - 'A' + 1);
    return letters[sum % 23] == id->text[7];
}

