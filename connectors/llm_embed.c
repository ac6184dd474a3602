/* SPDX-License-Identifier: Apache-2.0
 * llm_embed.c - a vector from an answer: as many numbers as were asked for, all finite, of length 1 in the end. */
#include <math.h>
#include <string.h>

#include "connectors/llm_internal.h"
#include "engine/base64.h"
#include "engine/memory.h"

static const double length_min = 1e-6, length_least = 0.99, length_most = 1.01;

static bool refuse_count(struct dv_llm_talk *talk)
{
    talk->embedding->other_width = true;
    return dv_llm_refuse(talk, DV_E_DATA, "the service's vectors have another number of dimensions than is wanted",
                         false);
}

/* Some servers answer so to one text they cannot take, which says nothing about the model. */
static bool refuse_empty(struct dv_llm_talk *talk)
{
    return dv_llm_refuse(talk, DV_E_DATA, "the service gave a text no vector", false);
}

static bool take_numbers(struct dv_llm_talk *talk, dv_doc_at vector, float *row)
{
    const struct dv_doc *doc = &talk->doc;
    uint32_t count = 0;
    for (dv_doc_at item = dv_doc_first(doc, vector); item != NULL; item = dv_doc_next(doc, item)) {
        double number = 0;
        if (count == talk->embedding->dims)
            return refuse_count(talk);
        if (!dv_doc_number(doc, item, &number))
            return dv_llm_refuse(talk, DV_E_DATA, "a vector of the service holds something else than numbers", false);
        row[count++] = (float)number;
    }
    if (count == 0)
        return refuse_empty(talk);
    return count == talk->embedding->dims || refuse_count(talk);
}

/* float32, little-endian as the machine is. */
static bool take_base64(struct dv_llm_talk *talk, const char *text, size_t length, float *row)
{
    size_t size = talk->embedding->dims * sizeof *row;
    size_t written = 0;
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the numbers are copied as they are");
    if (length == 0)
        return refuse_empty(talk);
    if (length != dv_base64_length(size))
        return refuse_count(talk);
    uint8_t *bytes = dv_memory_alloc(length);
    if (bytes == NULL)
        return dv_llm_refuse(talk, DV_E_MEMORY, "no memory for a vector", false);
    bool decoded = dv_base64_decode(bytes, &written, text, length) && written == size;
    if (decoded)
        memcpy(row, bytes, size);
    explicit_bzero(bytes, length);
    dv_memory_free(bytes);
    return decoded || dv_llm_refuse(talk, DV_E_DATA, "a vector of the service is no base64", false);
}

/* False: not finite, or nothing. */
static bool normalise(float *row, uint32_t dims, double *ret_length)
{
    double sum = 0;
    for (uint32_t i = 0; i < dims; i++)
        sum += (double)row[i] * (double)row[i];
    *ret_length = sqrt(sum);
    if (!isfinite(*ret_length) || *ret_length < length_min)
        return false;
    for (uint32_t i = 0; i < dims; i++)
        row[i] = (float)((double)row[i] / *ret_length);
    return true;
}

bool dv_llm_take_row(struct dv_llm_talk *talk, dv_doc_at vector, uint32_t row, bool of_length_1)
{
    const struct dv_llm_embedding *embedding = talk->embedding;
    float *numbers = embedding->rows + (size_t)row * embedding->dims;
    const char *text = NULL;
    size_t length = 0;
    double norm = 0;
    DV_ASSERT(row < embedding->count);
    bool taken = dv_doc_text(&talk->doc, vector, &text, &length) ? take_base64(talk, text, length, numbers)
                                                                 : take_numbers(talk, vector, numbers);
    if (!taken)
        return false;
    if (!normalise(numbers, embedding->dims, &norm))
        return dv_llm_refuse(talk, DV_E_DATA, "a vector of the service is not finite, or nothing", false);
    if (of_length_1 && (norm < length_least || norm > length_most))
        return dv_llm_refuse(talk, DV_E_DATA, "a vector of the service is not of length 1", false);
    return true;
}
