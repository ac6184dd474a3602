// SPDX-License-Identifier: Apache-2.0
// json_read.cc - simdjson and the numbers of <charconv> behind C functions; the only C++ there is.
#include "engine/json_read.h"

#include <charconv>
#include <cmath>
#include <memory>
#include <simdjson.h>
#include <system_error>

using parser = simdjson::internal::dom_parser_implementation;

bool dv_json_tokens_init(struct dv_json_tokens *tokens, size_t bytes_max)
{
    *tokens = {};
    std::unique_ptr<parser> made;
    // The second stage is never run, so it needs no room for nesting.
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(bytes_max, 1, made) !=
        simdjson::SUCCESS)
        return false;
    tokens->at = made->structural_indexes.get();
    tokens->parser = made.release();
    return true;
}

void dv_json_tokens_free(struct dv_json_tokens *tokens)
{
    delete static_cast<parser *>(tokens->parser);
    *tokens = {};
}

static enum dv_json_fault fault_of(simdjson::error_code error)
{
    switch (error) {
    case simdjson::EMPTY: return DV_JSON_EMPTY;
    case simdjson::UTF8_ERROR: return DV_JSON_UTF8;
    case simdjson::UNCLOSED_STRING: return DV_JSON_UNCLOSED;
    case simdjson::UNESCAPED_CHARS: return DV_JSON_CONTROL;
    default: return DV_JSON_OTHER;
    }
}

enum dv_json_fault dv_json_tokens_find(struct dv_json_tokens *tokens, const char *text, size_t length)
{
    parser *made = static_cast<parser *>(tokens->parser);
    simdjson::error_code error =
        made->stage1(reinterpret_cast<const uint8_t *>(text), length, simdjson::stage1_mode::regular);
    if (error != simdjson::SUCCESS)
        return fault_of(error);
    tokens->count = made->n_structural_indexes;
    return DV_JSON_FINE;
}

bool dv_json_parse_float(const char *text, size_t length, double *ret_value)
{
    double value = 0;
    std::from_chars_result result = std::from_chars(text, text + length, value);
    // Both ends of the range answer alike, so the library that tells them apart by its value is asked.
    if (result.ec == std::errc::result_out_of_range)
        value = simdjson::internal::from_chars(text, text + length);
    else if (result.ec != std::errc() || result.ptr != text + length)
        return false;
    if (!std::isfinite(value))
        return false;
    *ret_value = value;
    return true;
}

size_t dv_json_print_float(char *out, double value)
{
    return static_cast<size_t>(std::to_chars(out, out + DV_JSON_FLOAT_MAX, value).ptr - out);
}
