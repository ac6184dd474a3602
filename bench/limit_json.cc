/* SPDX-License-Identifier: Apache-2.0
 * limit_json.cc - reads the fields of T1 from one line by simdjson's on-demand parser. */
#include "limit.h"

#include <simdjson.h>

#include <cstring>
#include <new>
#include <string_view>

using simdjson::ondemand::object;
using simdjson::ondemand::value;

static_assert(LIMIT_SLACK >= simdjson::SIMDJSON_PADDING, "simdjson reads this far past a line");

struct limit_json {
    simdjson::ondemand::parser parser;
};

/* A text without escapes is left where it is: simdjson has checked its UTF-8 and its control characters. */
static bool in_place(value found, limit_text *text)
{
    std::string_view token = found.raw_json_token();
    size_t n = token.size();
    while (n > 0 && token[n - 1] <= ' ')
        n--;
    if (n < 2 || token[0] != '"' || token[n - 1] != '"')
        return false;
    *text = {token.data() + 1, n - 2};
    return true;
}

static bool unescaped(value found, limit_text *text)
{
    std::string_view view;
    if (found.get_string().get(view) != simdjson::SUCCESS)
        return false;
    *text = {view.data(), view.size()};
    return true;
}

/* Fields that come in the expected order are found without a search. */
static bool field(object &fields, std::string_view name, bool plain, limit_text *text)
{
    value found;
    if (fields.find_field_unordered(name).get(found) != simdjson::SUCCESS)
        return false;
    return plain ? in_place(found, text) : unescaped(found, text);
}

extern "C" limit_json *limit_json_new(size_t line_max)
{
    auto *json = new (std::nothrow) limit_json;
    if (json != nullptr && json->parser.allocate(line_max) != simdjson::SUCCESS) {
        delete json;
        return nullptr;
    }
    return json;
}

extern "C" bool limit_json_read(limit_json *json, const char *line, size_t n, limit_record *record)
{
    simdjson::ondemand::document document;
    object fields;
    bool plain = record->plain = std::memchr(line, '\\', n) == nullptr;
    simdjson::padded_string_view padded(line, n, n + simdjson::SIMDJSON_PADDING);
    if (json->parser.iterate(padded).get(document) != simdjson::SUCCESS || document.get_object().get(fields) != simdjson::SUCCESS)
        return false;
    return field(fields, "patient_id", plain, &record->patient_id) && field(fields, "ssn", plain, &record->ssn) &&
           field(fields, "email", plain, &record->email) && field(fields, "phone", plain, &record->phone) &&
           fields.find_field_unordered("age").get_int64().get(record->age) == simdjson::SUCCESS &&
           field(fields, "diagnosis", plain, &record->diagnosis) &&
           field(fields, "treatment_plan", plain, &record->treatment_plan) &&
           field(fields, "visit_date", plain, &record->visit_date) && field(fields, "note", plain, &record->note);
}

extern "C" void limit_json_free(limit_json *json)
{
    delete json;
}
