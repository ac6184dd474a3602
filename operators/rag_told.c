/* SPDX-License-Identifier: Apache-2.0
 * rag_told.c - the templates of insights_say.c, read backwards. */
#include "operators/rag_told.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { STAMP = 19, MS = 1000 };

static const char *find(struct dv_piece in, const char *word)
{
    return in.length > 0 ? memmem(in.text, in.length, word, strlen(word)) : NULL;
}

/* What stands before `at`, and behind it and the word there. */
static struct dv_piece before(struct dv_piece in, const char *at)
{
    return (struct dv_piece){ in.text, (size_t)(at - in.text) };
}

static struct dv_piece behind(struct dv_piece in, const char *at, const char *word)
{
    size_t gone = (size_t)(at - in.text) + strlen(word);
    return (struct dv_piece){ in.text + gone, in.length - gone };
}

static bool read_rise(struct dv_rag_told *told, struct dv_piece text)
{
    static const char mark[] = " is rising: ";
    const char *at = find(text, mark);
    if (at == NULL)
        return false;
    told->kind = DV_TOLD_RISES;
    told->group = before(text, at);
    return true;
}

/* "X is unusual: the mean cost is 8", or "X: the mean cost is 8, 2.00 times the 4 that is usual". */
static bool read_stray(struct dv_rag_told *told, struct dv_piece text)
{
    static const char full[] = " is unusual: the ", plain[] = ": the ";
    const char *mark = full, *at = find(text, full);
    if (at == NULL && find(text, " that is usual") != NULL) {
        mark = plain;
        at = find(text, plain);
    }
    if (at == NULL)
        return false;
    told->kind = DV_TOLD_STRAYS;
    told->group = before(text, at);
    struct dv_piece rest = behind(text, at, mark);
    const char *is = find(rest, " is ");
    if (is != NULL)
        told->measure = before(rest, is);
    return true;
}

static bool read_shift(struct dv_rag_told *told, struct dv_piece text)
{
    static const char start[] = "The mix of ", mark[] = " has changed: stability index ";
    const char *at = find(text, mark);
    if (at == NULL || find(text, start) != text.text)
        return false;
    told->kind = DV_TOLD_SHIFTS;
    told->of = behind(before(text, at), text.text, start);
    return true;
}

static bool read_lead(struct dv_rag_told *told, struct dv_piece text)
{
    static const char mark[] = " is number ";
    const char *at = find(text, mark);
    if (at == NULL)
        return false;
    struct dv_piece rest = behind(text, at, mark);
    for (size_t i = 0; i < rest.length && i < 3 && rest.text[i] >= '0' && rest.text[i] <= '9'; i++)
        told->rank = told->rank * 10 + (uint32_t)(rest.text[i] - '0');
    if (told->rank == 0 || find(rest, ": ") == NULL)
        return false;
    told->kind = DV_TOLD_LEADS;
    told->group = before(text, at);
    return true;
}

/* "2026-11-23 06:00:00" */
static bool read_stamp(struct dv_piece text, int64_t *ret_ms)
{
    char stamp[STAMP + 1];
    struct tm parts = { 0 };
    if (text.length < STAMP)
        return false;
    memcpy(stamp, text.text, STAMP);
    stamp[STAMP] = '\0';
    const char *end = strptime(stamp, "%Y-%m-%d %H:%M:%S", &parts);
    if (end == NULL || *end != '\0')
        return false;
    *ret_ms = (int64_t)timegm(&parts) * MS;
    return true;
}

/* ", counted by diagnosis from 2026-11-23 05:00:00 to 2026-11-23 06:00:00 UTC" */
static void read_window(struct dv_rag_told *told)
{
    static const char mark[] = ", counted ", by[] = "by ", from[] = "from ", to[] = " to ";
    const char *at = find(told->finding, mark);
    if (at == NULL)
        return;
    struct dv_piece rest = behind(told->finding, at, mark);
    const char *start = find(rest, from);
    if (start == NULL)
        return;
    struct dv_piece window = behind(rest, start, from);
    const char *end = find(window, to);
    if (find(rest, by) == rest.text && start > rest.text + strlen(by))
        told->of = (struct dv_piece){ rest.text + strlen(by), (size_t)(start - rest.text) - strlen(by) - 1 };
    int64_t start_ms = 0, end_ms = 0;
    if (end == NULL || !read_stamp(window, &start_ms) || !read_stamp(behind(window, end, to), &end_ms))
        return;
    told->start_ms = start_ms;
    told->end_ms = end_ms;
}

/* Parts the finding from what to do about it. */
static void read_advice(struct dv_rag_told *told, struct dv_piece text)
{
    static const char mark[] = " What to do about ";
    const char *at = find(text, mark);
    told->finding = at != NULL ? before(text, at) : text;
    if (at != NULL)
        told->advice = (struct dv_piece){ at + 1, text.length - told->finding.length - 1 };
}

bool dv_rag_told_read(struct dv_rag_told *ret, const char *text, size_t length)
{
    *ret = (struct dv_rag_told){ .kind = DV_TOLD_OTHER };
    read_advice(ret, (struct dv_piece){ text, length });
    bool known = read_rise(ret, ret->finding) || read_shift(ret, ret->finding) || read_stray(ret, ret->finding) ||
                 read_lead(ret, ret->finding);
    if (known)
        read_window(ret);
    else
        *ret = (struct dv_rag_told){ .kind = DV_TOLD_OTHER };
    return known;
}
