/* SPDX-License-Identifier: Apache-2.0
 * limit.h - the parts of the bare loop: one record, its reader, scanner, writers and seal. */
#ifndef DATAVAULT_BENCH_LIMIT_H
#define DATAVAULT_BENCH_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SSE2 belongs to every x86-64; AVX2 is asked for at run time. LIMIT_PLAIN builds the C that other processors get, to test it. */
#if defined(__x86_64__) && !defined(LIMIT_PLAIN)
#define LIMIT_SIMD 1
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
    LIMIT_LINE_MAX = 256 * 1024, /* one read, and so the longest line that fits */
    LIMIT_SLACK = 64,            /* readers look and writers spill this far past the end */
    LIMIT_HASH = 32,
    LIMIT_NONCE = 12,
    LIMIT_TAG = 16,
};

/* A stretch of bytes somewhere else. LIMIT_SLACK bytes past its end are readable. */
struct limit_text {
    const char *at;
    size_t n;
};

/* The fields T1 reads. They point into the line, or into the parser if the line holds escapes. */
struct limit_record {
    struct limit_text patient_id, ssn, email, phone, diagnosis, treatment_plan, visit_date, note;
    int64_t age;
    bool plain; /* no backslash in the line: the texts may be written between quotes as they are */
};

/* limit_json.cc: the reader (simdjson, on demand). */
struct limit_json;

/* Makes a reader for lines of up to `line_max` bytes; NULL if there is no memory. */
struct limit_json *limit_json_new(size_t line_max);

/* Reads one line; false if it is not an object with the fields of T1. The line needs LIMIT_SLACK readable bytes after it. */
bool limit_json_read(struct limit_json *json, const char *line, size_t n, struct limit_record *record);

void limit_json_free(struct limit_json *json);

/* limit_scan.c: finds what T1 replaces in a note. */
enum limit_kind { LIMIT_DIGITS, LIMIT_AT, LIMIT_SSN, LIMIT_EMAIL, LIMIT_PHONE };

/* A candidate, and once its kind is SSN, EMAIL or PHONE a finding: in[begin, end). */
struct limit_hit {
    uint32_t at; /* the '@', or one past the last digit */
    uint32_t begin, end;
    enum limit_kind kind;
};

/* Lists each '@' and each end of "digit, separator, four digits" in order; `hits` has room for n. */
typedef size_t (*limit_collect)(struct limit_hit *hits, const char *in, size_t n);

/* The fastest collector this processor can run. */
limit_collect limit_collect_choose(void);
size_t limit_collect_plain(struct limit_hit *hits, const char *in, size_t n);

/* Turns candidates into findings by the patterns of t1.py, SSN first, then e-mail, then phone. */
void limit_scan_prove(struct limit_hit *hits, size_t count, const char *in, size_t n);

/* limit_text.c: writers. Each returns one past what it wrote and may spill LIMIT_SLACK bytes further. */
typedef size_t (*limit_base64)(char *out, const uint8_t *in, size_t n);

/* The fastest base64 encoder this processor can run; it returns the length without a terminator. */
limit_base64 limit_base64_choose(void);
size_t limit_base64_plain(char *out, const uint8_t *in, size_t n);

/* Writes the inside of a JSON string. At worst each byte becomes six. */
char *limit_escape(char *out, const char *in, size_t n);

/* Writes a SHA-256 as 64 lower-case hexadecimal digits. */
char *limit_hex(char *out, const uint8_t hash[LIMIT_HASH]);

/* Copies n bytes by whole 16-byte blocks: short texts are not worth a call. */
char *limit_copy(char *out, const char *in, size_t n);

/* limit_seal.c: pseudonyms and sealing. */
struct limit_hmac;
struct limit_seal;

/* Both return NULL on failure. */
struct limit_hmac *limit_hmac_new(const void *key, size_t n);
struct limit_seal *limit_seal_new(const uint8_t key[32]);

void limit_hmac_hash(const struct limit_hmac *hmac, const char *in, size_t n, uint8_t hash[LIMIT_HASH]);

/* Seals n bytes at box + LIMIT_NONCE in place, with the nonce before and the tag behind; returns the length of all, 0 on failure. */
size_t limit_seal_box(struct limit_seal *seal, uint8_t *box, size_t n);

void limit_hmac_free(struct limit_hmac *hmac);
void limit_seal_free(struct limit_seal *seal);

#ifdef __cplusplus
}
#endif
#endif
