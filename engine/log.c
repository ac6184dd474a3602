/* SPDX-License-Identifier: Apache-2.0
 * log.c - one line per event, made on the stack and written at once, so that lines of several threads never mix. */
#include "engine/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/option.h"

enum { LINE_MAX_BYTES = 2048, PAIR_MAX_BYTES = 320 };

/* Set once by main before any thread starts. */
static struct {
    enum dv_log_level threshold;
    bool json;
} settings = { .threshold = DV_LOG_INFO, .json = false };

static const char *const level_names[] = {
    [DV_LOG_ERROR] = "error", [DV_LOG_WARN] = "warn", [DV_LOG_INFO] = "info", [DV_LOG_DEBUG] = "debug"
};

struct line {
    size_t length;
    char text[LINE_MAX_BYTES];
};

void dv_log_setup(enum dv_log_level threshold, bool json)
{
    settings.threshold = threshold;
    settings.json = json;
}

/* Adds the whole text or nothing, and leaves room for the closing "}\n". */
static void add(struct line *line, const char *text, size_t length)
{
    if (length > sizeof line->text - 2 - line->length)
        return;
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void add_head(struct line *line, enum dv_log_level level, const char *event)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    char stamp[32];
    if (gmtime_r(&now.tv_sec, &utc) == NULL || strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc) == 0)
        stamp[0] = '\0';
    char head[PAIR_MAX_BYTES];
    int length = snprintf(head, sizeof head,
                          settings.json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%.160s\""
                                        : "%s.%03ldZ %-5s %.160s",
                          stamp, now.tv_nsec / 1000000, level_names[level], event);
    DV_ASSERT(length > 0 && (size_t)length < sizeof head);
    add(line, head, (size_t)length);
}

/* The text of a pair that is no number. */
static const char *word_of(const struct dv_log_pair *pair)
{
    if (pair->kind == DV_LOG_CODE)
        return pair->number >= 0 && pair->number < DV_RC_COUNT ? dv_rc_name((dv_rc)pair->number) : "?";
    if (pair->text == NULL || (pair->kind == DV_LOG_NAME && !dv_is_name(pair->text)))
        return "?";
    /* A literal with a quote would break the line's form. */
    return strpbrk(pair->text, "\"\\\n\r\t") == NULL ? pair->text : "?";
}

static void add_pair(struct line *line, const struct dv_log_pair *pair)
{
    char text[PAIR_MAX_BYTES];
    int length;
    if (pair->kind == DV_LOG_INT)
        length = snprintf(text, sizeof text, settings.json ? ",\"%.100s\":%" PRId64 : " %.100s=%" PRId64, pair->key,
                          pair->number);
    else
        length = snprintf(text, sizeof text, settings.json ? ",\"%.100s\":\"%.200s\"" : " %.100s=%.200s", pair->key,
                          word_of(pair));
    DV_ASSERT(length > 0 && (size_t)length < sizeof text);
    add(line, text, (size_t)length);
}

void dv_log_write(enum dv_log_level level, const char *event, const struct dv_log_pair *pairs)
{
    DV_ASSERT((unsigned)level <= DV_LOG_DEBUG);
    if (level > settings.threshold)
        return;
    struct line line;
    line.length = 0;
    add_head(&line, level, event);
    for (; pairs->kind != DV_LOG_END; pairs++)
        add_pair(&line, pairs);
    if (settings.json)
        line.text[line.length++] = '}';
    line.text[line.length++] = '\n';
    /* A full or closed standard error must never stop the work: the line is lost. */
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written;
}
