/* SPDX-License-Identifier: Apache-2.0
 * guard_secret.c - writes each secret in every encoding into a trie, and makes an automaton of it. */
#include "privacy/guard_secret.h"

#include <stdbool.h>
#include <string.h>

#include "engine/base64.h"
#include "engine/memory.h"

enum { PIECE = 120, OVERLAP = 8, STATES_MAX = 1 << 16, TABLE_MAX_BYTES = 32 << 20, CODE_MAX = DV_SECRET_RUN_MAX + 8 };

/* Gets every written form of a secret. */
typedef void with_form(struct dv_secrets *secrets, const unsigned char *form, size_t length);

static void write_hex(struct dv_secrets *secrets, const unsigned char *bytes, size_t length, const char *digits, with_form *with)
{
    unsigned char form[CODE_MAX];
    for (size_t i = 0; i < length; i++) {
        form[2 * i] = (unsigned char)digits[bytes[i] >> 4];
        form[2 * i + 1] = (unsigned char)digits[bytes[i] & 15];
    }
    with(secrets, form, 2 * length);
    explicit_bzero(form, sizeof form);
}

static bool is_unreserved(unsigned char byte)
{
    bool letter = (unsigned char)((byte | 0x20) - 'a') <= 25;
    return letter || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.' || byte == '~';
}

static void write_percent(struct dv_secrets *secrets, const unsigned char *bytes, size_t length, const char *digits, bool plus,
                          with_form *with)
{
    unsigned char form[CODE_MAX];
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        if (is_unreserved(bytes[i]) || (plus && bytes[i] == ' ')) {
            form[at++] = bytes[i] == ' ' ? '+' : bytes[i];
            continue;
        }
        form[at++] = '%';
        form[at++] = (unsigned char)digits[bytes[i] >> 4];
        form[at++] = (unsigned char)digits[bytes[i] & 15];
    }
    with(secrets, form, at);
    explicit_bzero(form, sizeof form);
}

/* The letters that are the secret's alone, if it begins `shift` bytes into a group of three. */
static void write_base64(struct dv_secrets *secrets, const unsigned char *bytes, size_t length, size_t shift, with_form *with)
{
    unsigned char shifted[PIECE + OVERLAP + 2] = { 0 };
    char form[CODE_MAX];
    memcpy(shifted + shift, bytes, length);
    (void)dv_base64_encode(form, shifted, shift + length);
    size_t first = (shift * 8 + 5) / 6, end = (shift + length) * 8 / 6;
    with(secrets, (unsigned char *)form + first, end - first);
    for (size_t i = first; i < end; i++)
        form[i] = form[i] == '+' ? '-' : form[i] == '/' ? '_' : form[i];
    with(secrets, (unsigned char *)form + first, end - first);
    explicit_bzero(shifted, sizeof shifted);
    explicit_bzero(form, sizeof form);
}

static void write_piece(struct dv_secrets *secrets, const unsigned char *bytes, size_t length, with_form *with)
{
    static const char *const cases[] = { "0123456789abcdef", "0123456789ABCDEF" };
    with(secrets, bytes, length);
    for (size_t i = 0; i < 2; i++) {
        write_hex(secrets, bytes, length, cases[i], with);
        write_percent(secrets, bytes, length, cases[i], false, with);
        write_percent(secrets, bytes, length, cases[i], true, with);
    }
    for (size_t shift = 0; shift < 3; shift++)
        write_base64(secrets, bytes, length, shift, with);
}

static void write_all(struct dv_secrets *secrets, const struct dv_secret *items, size_t count, with_form *with)
{
    for (size_t i = 0; i < count; i++) {
        const unsigned char *bytes = (const unsigned char *)items[i].bytes;
        size_t at = 0;
        for (; items[i].length - at > PIECE + OVERLAP; at += PIECE)
            write_piece(secrets, bytes + at, PIECE + OVERLAP, with);
        write_piece(secrets, bytes + at, items[i].length - at, with);
    }
}

/* ---- the automaton ---- */

static void count_form(struct dv_secrets *secrets, const unsigned char *form, size_t length)
{
    if (secrets->capacity <= STATES_MAX)
        secrets->capacity += (uint32_t)length;
    for (size_t i = 0; i < length; i++)
        if (secrets->class_of[form[i]] == 0)
            secrets->class_of[form[i]] = (uint16_t)secrets->class_count++;
}

static uint32_t *slot_of(const struct dv_secrets *secrets, uint32_t state, unsigned char byte)
{
    return &secrets->next[state * secrets->class_count + secrets->class_of[byte]];
}

static void add_form(struct dv_secrets *secrets, const unsigned char *form, size_t length)
{
    uint32_t state = 0;
    for (size_t i = 0; i < length; i++) {
        uint32_t *slot = slot_of(secrets, state, form[i]);
        if (*slot == 0) {
            *slot = secrets->states++;
            secrets->depth[*slot] = (uint16_t)(i + 1);
        }
        state = *slot;
    }
    secrets->match[state] = (uint16_t)length;
}

/* Gives each state the moves it lacks: those of its longest end that is a state, too. States of one depth at a time. */
static void follow_failures(struct dv_secrets *secrets, uint32_t *queue, uint32_t *fail)
{
    uint32_t head = 0, tail = 0;
    queue[tail++] = 0;
    while (head < tail) {
        uint32_t state = queue[head++];
        for (uint32_t class = 1; class < secrets->class_count; class++) {
            uint32_t *slot = &secrets->next[state * secrets->class_count + class];
            uint32_t other = state == 0 ? 0 : secrets->next[fail[state] * secrets->class_count + class];
            if (*slot == 0) {
                *slot = other;
                continue;
            }
            fail[*slot] = other;
            if (secrets->match[*slot] < secrets->match[other])
                secrets->match[*slot] = secrets->match[other];
            queue[tail++] = *slot;
        }
    }
}

static dv_rc make(struct dv_secrets *secrets, const struct dv_secret *items, size_t count)
{
    const size_t states = secrets->capacity;
    secrets->next = dv_memory_zeroed(states * secrets->class_count, sizeof *secrets->next);
    secrets->depth = dv_memory_zeroed(states, sizeof *secrets->depth);
    secrets->match = dv_memory_zeroed(states, sizeof *secrets->match);
    uint32_t *room = dv_memory_zeroed(2 * states, sizeof *room);
    if (secrets->next == NULL || secrets->depth == NULL || secrets->match == NULL || room == NULL) {
        dv_memory_free(room);
        return DV_E_MEMORY;
    }
    secrets->states = 1;
    write_all(secrets, items, count, add_form);
    follow_failures(secrets, room, room + states);
    dv_memory_free(room);
    return DV_OK;
}

dv_rc dv_secrets_open(struct dv_secrets *secrets, const struct dv_secret *items, size_t count)
{
    *secrets = (struct dv_secrets){ .class_count = 1, .capacity = 1 };
    for (size_t i = 0; i < count; i++)
        if (items[i].length < DV_SECRET_MIN)
            return DV_E_CONFIG;
    if (count == 0)
        return DV_OK;
    write_all(secrets, items, count, count_form);
    if (secrets->capacity > STATES_MAX ||
        (size_t)secrets->capacity * secrets->class_count * sizeof *secrets->next > TABLE_MAX_BYTES)
        return DV_E_LIMIT;
    dv_rc rc = make(secrets, items, count);
    if (dv_is_error(rc))
        dv_secrets_close(secrets);
    return rc;
}

void dv_secrets_close(struct dv_secrets *secrets)
{
    if (secrets->next != NULL)
        explicit_bzero(secrets->next, (size_t)secrets->capacity * secrets->class_count * sizeof *secrets->next);
    dv_memory_free(secrets->next);
    dv_memory_free(secrets->depth);
    dv_memory_free(secrets->match);
    *secrets = (struct dv_secrets){ 0 };
}
