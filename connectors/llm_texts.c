/* SPDX-License-Identifier: Apache-2.0
 * llm_texts.c - windows out, rows of numbers in, the mean of what belongs to one text. */
#include "connectors/llm_texts.h"

#include <math.h>
#include <string.h>

#include "connectors/embedder.h"
#include "engine/memory.h"

enum { LANES_ALL = DV_LLM_LANES + 1 };

/* ---- windows ---- */

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] > ' ')
            return false;
    return true;
}

/* How much of the text the next window has: to the last blank in its second half, or whole characters. */
static size_t window_of(const char *text, size_t length, size_t most)
{
    size_t end = most;
    if (length <= most)
        return length;
    while (end > most / 2 && text[end] != ' ' && text[end] != '\n')
        end--;
    if (end > most / 2)
        return end;
    end = most;
    while (end > 1 && ((unsigned char)text[end] & 0xC0u) == 0x80u)
        end--;
    return end;
}

/* The next window that has a word, as the `at`th of the lane; false: there are no more. */
static bool cut_window(struct dv_llm_texts *texts, struct dv_llm_lane *lane, uint16_t at)
{
    for (; texts->next < texts->count; texts->next++, texts->at = 0) {
        struct dv_embed_text *text = &texts->texts[texts->next];
        while (!text->whole) {
            const char *start = text->text + texts->at;
            size_t length = window_of(start, text->length - texts->at, texts->window_bytes);
            texts->at += length;
            text->whole = texts->at == text->length || text->cut + 1 == DV_LLM_WINDOWS_MAX;
            if (is_blank(start, length))
                continue;
            lane->windows[at] = (struct dv_llm_text){ start, length };
            lane->of[at] = (uint16_t)texts->next;
            text->cut++;
            return true;
        }
    }
    return false;
}

static uint16_t fill(struct dv_llm_texts *texts, struct dv_llm_lane *lane)
{
    uint16_t count = 0;
    size_t bytes = 0;
    while (count < texts->per_request && bytes + texts->window_bytes <= DV_LLM_REQUEST_BYTES &&
           cut_window(texts, lane, count))
        bytes += lane->windows[count++].length;
    return count;
}

/* ---- vectors ---- */

static bool normalise(float *vector, uint32_t width)
{
    double sum = 0;
    for (uint32_t i = 0; i < width; i++)
        sum += (double)vector[i] * (double)vector[i];
    double length = sqrt(sum);
    if (!isfinite(length) || length < 1e-6)
        return false;
    for (uint32_t i = 0; i < width; i++)
        vector[i] = (float)((double)vector[i] / length);
    return true;
}

static void add_rows(struct dv_llm_texts *texts, const struct dv_llm_lane *lane)
{
    for (uint16_t i = lane->from; i < lane->to; i++) {
        struct dv_embed_text *text = &texts->texts[lane->of[i]];
        const float *row = lane->rows + (size_t)(i - lane->from) * texts->width;
        for (uint32_t at = 0; at < texts->width; at++)
            text->vector[at] += row[at] * (float)lane->windows[i].length;
        text->done++;
    }
}

/* What is complete has its vector; the rest begins anew some time. */
static void settle(struct dv_llm_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct dv_embed_text *text = &texts->texts[i];
        if (text->embedded || text->refused)
            continue;
        bool complete = text->whole && text->done == text->cut;
        text->embedded = complete && text->cut > 0 && normalise(text->vector, texts->width);
        text->refused = complete && text->cut > 0 && !text->embedded;
        text->whole = complete;
        if (!complete)
            text->cut = text->done = 0;
        if (!text->embedded)
            memset(text->vector, 0, texts->width * sizeof *text->vector);
    }
}

static bool any_refused(const struct dv_llm_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        if (texts->texts[i].refused)
            return true;
    return false;
}

/* No text is to blame: those that were refused begin anew some time, too. */
static void spare(struct dv_llm_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct dv_embed_text *text = &texts->texts[i];
        if (!text->refused)
            continue;
        text->refused = text->whole = false;
        text->cut = text->done = 0;
        memset(text->vector, 0, texts->width * sizeof *text->vector); /* another of its windows may have been taken */
    }
}

/* ---- requests ---- */

static void on_end(struct dv_llm_embedding *embedding);

static bool ask_range(struct dv_llm_texts *texts, struct dv_llm_lane *lane)
{
    lane->todo_count--;
    lane->from = lane->todo[lane->todo_count].from;
    lane->to = lane->todo[lane->todo_count].to;
    lane->embedding = (struct dv_llm_embedding){ .texts = lane->windows + lane->from,
                                                 .count = (uint32_t)(lane->to - lane->from),
                                                 .dims = texts->width,
                                                 .task = texts->task,
                                                 .tenant = texts->tenant,
                                                 .rows = lane->rows,
                                                 .well = texts->well && !texts->proving,
                                                 .on_end = on_end,
                                                 .data = lane };
    lane->busy = dv_llm_embed(texts->llm, &lane->embedding) == DV_OK;
    texts->busy += lane->busy;
    if (!lane->busy) {
        texts->rc = DV_E_DEPENDENCY;
        texts->reason = "the model's service cannot be asked now";
    }
    return lane->busy;
}

static void push(struct dv_llm_lane *lane, uint16_t from, uint16_t to)
{
    DV_ASSERT(lane->todo_count < DV_LLM_HALVES_MAX);
    lane->todo[lane->todo_count].from = from;
    lane->todo[lane->todo_count].to = to;
    lane->todo_count++;
}

/* A question is one text, and goes on without a vector. */
static bool is_doubted(const struct dv_llm_texts *texts)
{
    return texts->doubted && texts->task != DV_LLM_QUERY;
}

static void go_on(struct dv_llm_texts *texts, struct dv_llm_lane *lane)
{
    if (texts->rc != DV_OK || is_doubted(texts))
        return;
    if (lane->todo_count == 0) {
        uint16_t count = fill(texts, lane);
        if (count == 0)
            return;
        push(lane, 0, count);
    }
    (void)ask_range(texts, lane);
}

static void go_on_all(struct dv_llm_texts *texts)
{
    for (uint32_t i = 0; i < DV_LLM_LANES; i++)
        go_on(texts, &texts->lanes[i]);
}

/* The halves of what was asked for come next; one alone comes once more. */
static void split(struct dv_llm_lane *lane)
{
    uint16_t middle = (uint16_t)(lane->from + (lane->to - lane->from) / 2);
    push(lane, middle, lane->to);
    if (middle > lane->from)
        push(lane, lane->from, middle);
}

/* One of the texts is at fault: the halves tell which. */
static void halve(struct dv_llm_texts *texts, struct dv_llm_lane *lane)
{
    if (lane->to - lane->from > 1) {
        split(lane);
        return;
    }
    texts->texts[lane->of[lane->from]].refused = true;
    texts->texts[lane->of[lane->from]].whole = true;
}

static bool ask_plain_word(struct dv_llm_texts *texts)
{
    struct dv_llm_lane *lane = &texts->lanes[DV_LLM_LANES];
    texts->proving = true;
    lane->todo_count = 0;
    lane->windows[0] = (struct dv_llm_text){ "one", 3 };
    push(lane, 0, 1);
    return ask_range(texts, lane);
}

/* A wrong model or setting is refused with every text, and so may be anything while the service is not well. Questions go on
 * without a vector either way. */
static bool prove(struct dv_llm_texts *texts)
{
    return texts->rc == DV_OK && texts->task != DV_LLM_QUERY && any_refused(texts) && ask_plain_word(texts);
}

/* Nothing is under way, and a doubt is to be cleared, or was. False: there is none, or nothing to go on with. */
static bool clear_doubt(struct dv_llm_texts *texts)
{
    if (texts->rc != DV_OK || !is_doubted(texts))
        return false;
    if (!texts->proving)
        return ask_plain_word(texts);
    texts->proving = texts->doubted = false;
    texts->well = true;
    go_on_all(texts);
    return texts->busy > 0;
}

static bool is_of_texts(const struct dv_llm_embedding *embedding)
{
    return (embedding->rc == DV_E_DATA || embedding->rc == DV_E_LIMIT) && !embedding->other_width && !embedding->spent;
}

static void note_end(struct dv_llm_texts *texts, struct dv_llm_lane *lane)
{
    const struct dv_llm_embedding *embedding = &lane->embedding;
    bool of_texts = is_of_texts(embedding);
    texts->doubted = texts->doubted || embedding->doubtful;
    if (embedding->rc == DV_OK && !texts->proving) {
        add_rows(texts, lane);
    } else if (of_texts && !texts->proving) {
        halve(texts, lane);
    } else if (embedding->doubtful && is_doubted(texts) && !texts->proving) {
        split(lane);
    } else if (embedding->rc != DV_OK) {
        texts->rc = embedding->other_width ? DV_E_CONFIG : DV_E_DEPENDENCY;
        texts->reason =
            of_texts ? "the model's service refuses every text: is its configuration right?" : embedding->reason;
    }
}

static void on_end(struct dv_llm_embedding *embedding)
{
    struct dv_llm_lane *lane = embedding->data;
    struct dv_llm_texts *texts = lane->texts;
    lane->busy = false;
    texts->busy--;
    note_end(texts, lane);
    if (!texts->proving)
        go_on(texts, lane);
    if (texts->busy > 0 || clear_doubt(texts))
        return;
    settle(texts);
    if (!texts->proving && prove(texts))
        return;
    if (texts->rc != DV_OK)
        spare(texts);
    texts->answer(texts);
}

bool dv_llm_texts_ask(struct dv_llm_texts *texts)
{
    DV_ASSERT(texts->count <= DV_LLM_ASKED_MAX && texts->busy == 0);
    texts->rc = DV_OK;
    texts->reason = NULL;
    texts->next = texts->at = 0;
    texts->proving = texts->well = false;
    for (uint32_t i = 0; i < DV_LLM_LANES; i++)
        texts->lanes[i].todo_count = 0;
    if (is_doubted(texts))
        (void)ask_plain_word(texts);
    else
        go_on_all(texts);
    if (texts->busy == 0)
        settle(texts);
    return texts->busy > 0;
}

void dv_llm_texts_cancel(struct dv_llm_texts *texts)
{
    for (uint32_t i = 0; texts->lanes != NULL && i < LANES_ALL; i++) {
        if (texts->lanes[i].busy)
            dv_llm_embed_cancel(texts->llm, &texts->lanes[i].embedding);
        texts->lanes[i].busy = false;
    }
    if (texts->busy > 0) {
        settle(texts);
        spare(texts); /* it was not proved that they are at fault */
    }
    texts->busy = 0;
}

/* ---- life ---- */

/* Room for the vectors of a lane's request. */
static size_t rows_of(const struct dv_llm_texts *texts, uint32_t lane)
{
    return (lane < DV_LLM_LANES ? texts->per_request : (size_t)1) * texts->width;
}

dv_rc dv_llm_texts_open(struct dv_llm_texts *texts)
{
    DV_ASSERT(texts->width > 0 && texts->width <= DV_LLM_WIDTH_MAX && texts->per_request > 0 &&
              texts->per_request <= DV_LLM_TEXTS_MAX);
    DV_ASSERT(texts->window_bytes > 8 && texts->window_bytes <= DV_LLM_REQUEST_BYTES);
    texts->lanes = dv_memory_zeroed(LANES_ALL, sizeof *texts->lanes);
    for (uint32_t i = 0; texts->lanes != NULL && i < LANES_ALL; i++) {
        texts->lanes[i].texts = texts;
        texts->lanes[i].rows = dv_memory_zeroed(rows_of(texts, i), sizeof *texts->lanes[i].rows);
        if (texts->lanes[i].rows == NULL) {
            dv_llm_texts_close(texts);
            return DV_E_MEMORY;
        }
    }
    return texts->lanes != NULL ? DV_OK : DV_E_MEMORY;
}

void dv_llm_texts_close(struct dv_llm_texts *texts)
{
    dv_llm_texts_cancel(texts);
    for (uint32_t i = 0; texts->lanes != NULL && i < LANES_ALL; i++) {
        if (texts->lanes[i].rows != NULL)
            explicit_bzero(texts->lanes[i].rows, rows_of(texts, i) * sizeof(float));
        dv_memory_free(texts->lanes[i].rows);
    }
    dv_memory_free(texts->lanes);
    texts->lanes = NULL;
}
