/* SPDX-License-Identifier: Apache-2.0
 * detect_id.h - a row of detectors/ids.def: numbers that countries, banks and makers give, with their check digits.
 *
 * Private to privacy/ and its tests. A row is data: a shape, who it is about, how sure the number alone makes it, words
 * that name it, and sums. `check` is for what no sum says: dates of birth, ranges, letters with values of their own. */
#ifndef DV_PRIVACY_DETECT_ID_H
#define DV_PRIVACY_DETECT_ID_H

#include "privacy/detect_rows.h"

enum { DV_ID_CHARS_MAX = 20, DV_ID_SUMS = 2, DV_ID_ROWS_MAX = 128, DV_ID_LETTERS_MAX = 6, DV_ID_RUN_MAX = 20 };

/* What there must be beside the number. */
enum dv_id_need {
    DV_ID_ALONE,   /* nothing: chance numbers do not pass */
    DV_ID_GROUPED, /* its separators, or a word */
    DV_ID_WORD,    /* a word before it that names it, or any identity number */
};

/* A number without its separators. */
struct dv_id {
    char text[DV_ID_CHARS_MAX + 1]; /* A-Z and 0-9 */
    uint32_t length;
    char sign;      /* what stood for an 's' or 'S' of the shape; 0: nothing */
    uint32_t joins; /* separators that were there */
};

/* Whether map[sum of weight × value, modulo `modulus`] is the character `at`. Values are those of base 36. */
struct dv_id_sum {
    const uint8_t *weights; /* of the first `count` characters */
    uint8_t count, at, modulus;
    const char *map; /* '?': no number has this sum */
};

typedef bool dv_id_check(const struct dv_id *id);

/* Shape: 'd' a digit, 'L' a letter, 'A' either; '_' perhaps one space, dash or dot, '/' perhaps one of these or a slash,
 * 's' perhaps a plus or dash, 'S' the sign of a century, which must be there. */
struct dv_id_row {
    const char *name;  /* "gb.nhs" */
    const char *title; /* "NHS number"; also the reason that a finding gives */
    enum dv_pii type;
    enum dv_id_need need;
    const char *shape;
    const char *words; /* lower case, between bars */
    dv_id_check *check;
    struct dv_id_sum sums[DV_ID_SUMS];
};

/* All rows, and how many. */
const struct dv_id_row *dv_id_rows(size_t *ret_count);

/* Whether text[0..length) is written in the row's shape and passes its checks. */
bool dv_id_is_valid(const struct dv_id_row *row, const char *text, size_t length);

/* Prepares what tells which rows can begin at a run of digits, and which are not of `types_off`. */
void dv_id_index_init(struct dv_id_index *index, uint32_t types_off);

/* Shared checks (detect_id_check.c). */
bool dv_id_sums_hold(const struct dv_id_row *row, const struct dv_id *id);
dv_id_check dv_id_any, dv_id_luhn, dv_id_luhn_not_zero, dv_id_verhoeff, dv_id_not_zero, dv_id_ch_ssn;
dv_id_check dv_id_ar_cuit, dv_id_au_medicare, dv_id_be_nn, dv_id_bg_egn, dv_id_cn_ric, dv_id_cz_rc, dv_id_de_idnr, dv_id_de_rvnr,
    dv_id_dk_cpr, dv_id_ec_ci, dv_id_ee_ik, dv_id_es_nie, dv_id_fi_hetu, dv_id_fr_nir, dv_id_gb_nino, dv_id_gr_amka, dv_id_hr_oib,
    dv_id_ie_pps, dv_id_in_aadhaar, dv_id_in_pan, dv_id_is_kennitala, dv_id_it_codice, dv_id_kr_rrn, dv_id_lt_asmens, dv_id_lv_pk,
    dv_id_mx_curp, dv_id_mx_rfc, dv_id_my_nric, dv_id_no_fodselsnummer, dv_id_nz_ird, dv_id_nz_nhi, dv_id_pl_pesel, dv_id_pt_cc,
    dv_id_pt_nif, dv_id_ro_cnp, dv_id_se_personnummer, dv_id_sg_nric, dv_id_si_emso, dv_id_th_pin, dv_id_tr_tckimlik, dv_id_tw_id,
    dv_id_us_dea, dv_id_us_ein, dv_id_us_itin, dv_id_us_npi, dv_id_vin, dv_id_za_idnr, dv_id_at_vnr, dv_id_ru_snils, dv_id_pe_cui;

#endif
