/* SPDX-License-Identifier: Apache-2.0
 * history.c - writes earlier turns down, one line for each question and each answer. */
#include "operators/history.h"

#include <string.h>

#include "connectors/conversations.h"
#include "engine/arena.h"

static const char question_head[] = "Question: ", answer_head[] = "Answer: ", unanswered[] = "none was given";

/* Bytes of a turn at most. */
static size_t room_for(const struct dv_turn *turn)
{
    size_t room = sizeof question_head + sizeof answer_head + sizeof unanswered + turn->question.length;
    for (uint32_t i = 0; i < turn->said_count; i++)
        room += turn->said[i].text.length + 1;
    return room;
}

/* "[1, 2]" at `text`: how long it is; 0: it is something else. */
static size_t citation_at(const char *text, size_t length)
{
    size_t at = 1;
    if (text[0] != '[')
        return 0;
    while (at < length && ((text[at] >= '0' && text[at] <= '9') || text[at] == ',' || text[at] == ' '))
        at++;
    return at > 1 && at < length && text[at] == ']' ? at + 1 : 0;
}

/* On one line: a line of its own could look like a turn that never was. */
static char *put_line(char *out, struct dv_store_bytes text)
{
    const char *bytes = text.at;
    for (size_t i = 0; i < text.length; i++) {
        size_t cited = citation_at(bytes + i, text.length - i);
        if (cited > 0) {
            i += cited - 1;
            if (out[-1] == ' ')
                out--;
            continue;
        }
        *out++ = (unsigned char)bytes[i] < ' ' ? ' ' : bytes[i];
    }
    return out;
}

static char *put_text(char *out, const char *text)
{
    size_t length = strlen(text);
    memcpy(out, text, length);
    return out + length;
}

static char *put_turn(char *out, const struct dv_turn *turn)
{
    out = put_line(put_text(out, question_head), turn->question);
    *out++ = '\n';
    out = put_text(out, answer_head);
    for (uint32_t i = 0; i < turn->said_count; i++) {
        if (i > 0)
            *out++ = ' ';
        out = put_line(out, turn->said[i].text);
    }
    if (turn->said_count == 0)
        out = put_text(out, unanswered);
    *out++ = '\n';
    return out;
}

const char *dv_history_text(struct dv_arena *arena, const struct dv_turn *turns, uint32_t count, size_t most, size_t *ret_length)
{
    uint32_t fit = 0;
    size_t room = 0;
    while (fit < count && room + room_for(&turns[fit]) <= most)
        room += room_for(&turns[fit++]);
    char *text = dv_arena_text(arena, room + 1);
    if (text == NULL)
        return NULL;
    char *at = text;
    while (fit > 0)
        at = put_turn(at, &turns[--fit]);
    *ret_length = (size_t)(at - text);
    DV_ASSERT(*ret_length <= room);
    dv_arena_trim(arena, text, room + 1, *ret_length);
    return text;
}
