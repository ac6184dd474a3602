/* SPDX-License-Identifier: Apache-2.0
 * snowflake_answer.c - bodies are gathered, unpacked and looked into; nothing of them gets out unchecked. */
#include "connectors/snowflake_answer.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "connectors/snowflake_zlib.h"

enum { PIECE = 64 * 1024, CODE_DIGITS = 6 };

/* ---- bodies ---- */

bool dv_snowflake_answer_begin(struct dv_snowflake_answer *answer)
{
    if (answer->doc.bytes_max == 0 && dv_doc_init(&answer->doc, DV_SNOWFLAKE_ANSWER_MAX + 2) != DV_OK) {
        answer->doc = (struct dv_doc){ 0 };
        return false;
    }
    dv_doc_forget(&answer->doc);
    answer->root = NULL;
    answer->taken = false;
    dv_sse_text_free(&answer->text);
    return dv_sse_text_add(&answer->text, "[", 1);
}

bool dv_snowflake_answer_add(struct dv_snowflake_answer *answer, const char *bytes, size_t length)
{
    DV_ASSERT(!answer->taken && answer->text.used > 0);
    return dv_sse_text_add(&answer->text, bytes, length);
}

void dv_snowflake_answer_free(struct dv_snowflake_answer *answer)
{
    dv_doc_free(&answer->doc);
    dv_sse_text_free(&answer->text);
    *answer = (struct dv_snowflake_answer){ 0 };
}

/* JSON cannot begin like this. */
static bool is_packed(const struct dv_snowflake_answer *answer)
{
    const unsigned char *bytes = (const unsigned char *)answer->text.bytes + 1;
    return answer->text.used >= 3 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static dv_rc inflate_all(z_stream *stream, size_t most, struct dv_sse_text *out)
{
    unsigned char piece[PIECE];
    int code = Z_OK;
    while (code == Z_OK) {
        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        code = inflate(stream, Z_NO_FLUSH);
        size_t length = sizeof piece - stream->avail_out;
        if (out->used + length > most)
            return DV_E_LIMIT;
        if ((code == Z_OK || code == Z_STREAM_END) && !dv_sse_text_add(out, (const char *)piece, length))
            return DV_E_MEMORY;
    }
    if (code == Z_MEM_ERROR)
        return DV_E_MEMORY;
    return code == Z_STREAM_END && stream->avail_in == 0 ? DV_OK : DV_E_DATA;
}

static dv_rc unpack(struct dv_snowflake_answer *answer)
{
    struct dv_sse_text out = { 0 };
    z_stream stream = { 0 };
    dv_snowflake_zlib(&stream);
    stream.next_in = (unsigned char *)answer->text.bytes + 1;
    stream.avail_in = (uInt)(answer->text.used - 1);
    if (!dv_sse_text_add(&out, "[", 1) || inflateInit2(&stream, MAX_WBITS + 16) != Z_OK) {
        dv_sse_text_free(&out);
        return DV_E_MEMORY;
    }
    dv_rc rc = inflate_all(&stream, answer->most != 0 ? answer->most : DV_SNOWFLAKE_ANSWER_MAX, &out);
    (void)inflateEnd(&stream);
    dv_sse_text_free(&answer->text);
    answer->text = out;
    return rc;
}

dv_rc dv_snowflake_answer_end(struct dv_snowflake_answer *answer)
{
    struct dv_doc *doc = &answer->doc;
    DV_ASSERT(!answer->taken);
    answer->taken = true;
    if (is_packed(answer))
        DV_TRY(unpack(answer));
    if (!dv_sse_text_add(&answer->text, "]", 1))
        return DV_E_MEMORY;
    dv_rc rc = dv_doc_read(doc, answer->text.bytes, answer->text.used);
    if (rc == DV_OK)
        answer->root = dv_doc_first(doc, dv_doc_root(doc));
    if (answer->root != NULL && dv_doc_next(doc, answer->root) != NULL)
        answer->root = NULL; /* a comma between two texts is no text */
    if (answer->root == NULL)
        dv_doc_forget(doc);
    return rc == DV_E_MEMORY || rc == DV_E_LIMIT ? rc : DV_OK;
}

dv_doc_at dv_snowflake_answer_in(struct dv_snowflake_answer *answer, const char *name)
{
    return answer->root != NULL ? dv_doc_in(&answer->doc, answer->root, name) : NULL;
}

/* ---- texts ---- */

static bool is_word(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
            return false;
    return length > 0;
}

static bool take_word(const char *text, size_t length, char *out, size_t size)
{
    if (length >= size || !is_word(text, length))
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

bool dv_snowflake_answer_text(struct dv_snowflake_answer *answer, dv_doc_at value, char *out, size_t size)
{
    const char *text = NULL;
    size_t length = 0;
    return dv_doc_text(&answer->doc, value, &text, &length) && take_word(text, length, out, size);
}

/* The body itself, without the brackets and the blanks around it. */
static bool take_bare(const struct dv_snowflake_answer *answer, char *out, size_t size)
{
    const char *at = answer->text.bytes + 1, *end = answer->text.bytes + answer->text.used - 1;
    while (at < end && (unsigned char)*at <= ' ')
        at++;
    while (end > at && (unsigned char)end[-1] <= ' ')
        end--;
    return at < end && strchr("{[\"", *at) == NULL && take_word(at, (size_t)(end - at), out, size);
}

bool dv_snowflake_answer_word(struct dv_snowflake_answer *answer, const char *name, char *out, size_t size)
{
    DV_ASSERT(answer->taken);
    if (answer->text.used < 2)
        return false;
    return dv_snowflake_answer_text(answer, dv_snowflake_answer_in(answer, name), out, size) ||
           (answer->root != NULL && dv_snowflake_answer_text(answer, answer->root, out, size)) ||
           take_bare(answer, out, size);
}

/* ---- codes ---- */

static bool is_code(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    return text[strspn(text, allowed)] == '\0';
}

static bool take_code(struct dv_snowflake_answer *answer, dv_doc_at value, char out[DV_SNOWFLAKE_CODE_MAX])
{
    int64_t number = 0;
    if (dv_doc_whole(&answer->doc, value, &number) && number > 0) {
        (void)snprintf(out, DV_SNOWFLAKE_CODE_MAX, "%0*lld", CODE_DIGITS, (long long)number);
        return true;
    }
    return dv_snowflake_answer_text(answer, value, out, DV_SNOWFLAKE_CODE_MAX) && is_code(out);
}

void dv_snowflake_answer_code(struct dv_snowflake_answer *answer, char out[DV_SNOWFLAKE_CODE_MAX])
{
    int64_t number = 0;
    out[0] = '\0';
    if (answer->root == NULL || take_code(answer, dv_snowflake_answer_in(answer, "code"), out) ||
        take_code(answer, dv_snowflake_answer_in(answer, "error_code"), out) || take_code(answer, answer->root, out))
        return;
    out[0] = '\0';
    if (dv_doc_whole(&answer->doc, dv_snowflake_answer_in(answer, "status_code"), &number) && number > 0)
        (void)snprintf(out, DV_SNOWFLAKE_CODE_MAX, "STATUS_CODE_%lld", (long long)number);
}

/* "… [UUID]", as a refused token is answered. */
bool dv_snowflake_answer_login(struct dv_snowflake_answer *answer, char out[DV_UUID_TEXT])
{
    static const char form[] = "[xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx]", digits[] = "0123456789abcdef";
    const char *text = NULL;
    size_t length = 0, size = sizeof form - 1;
    out[0] = '\0';
    if (!dv_doc_text(&answer->doc, dv_snowflake_answer_in(answer, "message"), &text, &length) || length < size)
        return false;
    text += length - size;
    for (size_t i = 0; i < size; i++)
        if (form[i] == 'x' ? text[i] == '\0' || strchr(digits, text[i]) == NULL : text[i] != form[i])
            return false;
    memcpy(out, text + 1, DV_UUID_TEXT - 1);
    out[DV_UUID_TEXT - 1] = '\0';
    return true;
}

/* ---- hosts ---- */

static bool is_host(const char *host)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-";
    static const char digits[] = "0123456789";
    size_t length = strspn(host, allowed);
    if (length == 0 || length > DV_SNOWFLAKE_HOST_MAX - 6 || host[0] == '-' || host[0] == '.')
        return false;
    const char *port = host + length;
    if (*port == '\0')
        return true;
    size_t count = *port == ':' ? strspn(port + 1, digits) : 0;
    return count > 0 && count <= 5 && port[1 + count] == '\0';
}

bool dv_snowflake_answer_host(struct dv_snowflake_answer *answer, char out[DV_SNOWFLAKE_HOST_MAX + 1])
{
    if (!dv_snowflake_answer_word(answer, "hostname", out, DV_SNOWFLAKE_HOST_MAX + 1))
        return false;
    for (char *at = out; *at != '\0'; at++)
        *at = *at == '_' ? '-' : *at;
    return is_host(out);
}

/* ---- channels ---- */

/* An offset that is there, not null, and cannot be taken is worse than none: it is refused. */
static bool take_offset(struct dv_snowflake_answer *answer, dv_doc_at value, char out[DV_SNOWFLAKE_OFFSET_MAX + 1])
{
    const char *text = NULL;
    size_t length = 0;
    out[0] = '\0';
    if (dv_doc_is_null(&answer->doc, value))
        return true;
    if (!dv_doc_text(&answer->doc, value, &text, &length))
        return false;
    return length == 0 || take_word(text, length, out, DV_SNOWFLAKE_OFFSET_MAX + 1);
}

/* Counts come as numbers, or as texts of digits. */
static bool take_count(struct dv_snowflake_answer *answer, dv_doc_at value, uint64_t *ret)
{
    const char *text = NULL;
    size_t length = 0;
    int64_t number = 0;
    if (dv_doc_text(&answer->doc, value, &text, &length)) {
        for (size_t i = 0; i < length; i++) {
            if (text[i] < '0' || text[i] > '9' || i >= 15)
                return false;
            number = number * 10 + (text[i] - '0');
        }
        *ret = (uint64_t)number;
        return length > 0;
    }
    if (!dv_doc_whole(&answer->doc, value, &number) || number < 0)
        return false;
    *ret = (uint64_t)number;
    return true;
}

bool dv_snowflake_state_is_sound(const struct dv_snowflake_channel_state *state)
{
    return strcmp(state->code, "SUCCESS") == 0 || strcmp(state->code, "ACTIVE") == 0;
}

/* How many rows were refused, by whichever of its names is not null. False: what is told is no count. */
static bool take_errors(struct dv_snowflake_answer *answer, dv_doc_at value, bool *ret_named, bool *ret_counted,
                        uint64_t *ret)
{
    static const char *const names[] = { "rows_error_count", "rows_errors" };
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !*ret_counted; i++) {
        dv_doc_at errors = dv_doc_in(&answer->doc, value, names[i]);
        *ret_named = *ret_named || errors != NULL;
        *ret_counted = errors != NULL && !dv_doc_is_null(&answer->doc, errors);
        if (*ret_counted && !take_count(answer, errors, ret))
            return false;
    }
    return true;
}

bool dv_snowflake_answer_state(struct dv_snowflake_answer *answer, dv_doc_at value,
                               struct dv_snowflake_channel_state *ret)
{
    struct dv_doc *doc = &answer->doc;
    *ret = (struct dv_snowflake_channel_state){ 0 };
    if (answer->root == NULL || value == NULL || dv_doc_count(doc, value) == 0)
        return false;
    bool named = false, counted = false;
    ret->found = true;
    if (!take_errors(answer, value, &named, &counted, &ret->errors))
        return false;
    (void)take_offset(answer, dv_doc_in(doc, value, "last_error_offset_upper_bound"), ret->errors_up_to);
    if (!take_code(answer, dv_doc_in(doc, value, "channel_status_code"), ret->code) ||
        !take_offset(answer, dv_doc_in(doc, value, "last_committed_offset_token"), ret->offset))
        return false;
    /* uncounted, refused rows would pass for accepted ones; without an offset there were no rows yet */
    return counted || (named && ret->offset[0] == '\0') || !dv_snowflake_state_is_sound(ret);
}
