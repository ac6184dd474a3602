/* SPDX-License-Identifier: Apache-2.0
 * option_docs.c - option tables for readers: people and editors. */
#include "engine/option_docs.h"

#include <string.h>

#include "engine/option_value.h"
#include "engine/text.h"

enum { WIDTH = 100, INDENT = 6, TYPE_TEXT_MAX = 512 };

static const char *type_word(enum dv_option_type type)
{
    static const char *const words[] = {
        [DV_STR] = "text",         [DV_NAME] = "name", [DV_INT] = "whole number", [DV_FLOAT] = "number",
        [DV_BOOL] = "true | false", [DV_DURATION] = "duration", [DV_SIZE] = "size", [DV_ENUM] = "one of",
        [DV_STRS] = "list of texts", [DV_SECRET] = "secret's reference", [DV_TREE] = "map or list",
    };
    DV_ASSERT((unsigned)type < sizeof words / sizeof words[0]);
    return words[type];
}

static bool has_bounds(const struct dv_option *option)
{
    return option->min != 0 || option->max != 0;
}

/* "one of a | b | c", "duration, 1s to 1h": the type and what bounds it. */
static const char *type_text(const struct dv_option *option, char *buffer, size_t size)
{
    char low[32];
    char high[32];
    if (option->type == DV_ENUM) {
        int used = snprintf(buffer, size, "one of");
        size_t length = 0;
        const char *cursor = option->values;
        const char *separator = " ";
        for (const char *word = NULL; (word = dv_option_word(&cursor, &length)) != NULL; separator = " | ") {
            DV_ASSERT(used >= 0 && (size_t)used < size);
            used += snprintf(buffer + used, size - (size_t)used, "%s%.*s", separator, (int)length, word);
        }
    } else if (has_bounds(option)) {
        (void)snprintf(buffer, size, "%s, %s to %s", type_word(option->type),
                       dv_option_number_text(option->type, option->min, low, sizeof low),
                       dv_option_number_text(option->type, option->max, high, sizeof high));
    } else {
        (void)snprintf(buffer, size, "%s", type_word(option->type));
    }
    return buffer;
}

static bool is_required(const struct dv_option *option)
{
    return (option->flags & DV_REQUIRED) != 0;
}

/* Words of a help, broken before the edge of the page. */
static void print_wrapped(const char *text, FILE *out)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        if (column != 0 && column + 1 + length > WIDTH) {
            (void)fputc('\n', out);
            column = 0;
        }
        int blanks = column == 0 ? INDENT : 1;
        (void)fprintf(out, "%*s%.*s", blanks, "", (int)length, text);
        column += (size_t)blanks + length;
        text += length;
        text += strspn(text, " ");
    }
    (void)fputc('\n', out);
}

void dv_options_print_docs(const struct dv_option *table, FILE *out)
{
    char type[TYPE_TEXT_MAX];
    for (const struct dv_option *option = table; option->name != NULL; option++) {
        (void)fprintf(out, "  %s (%s", option->name, type_text(option, type, sizeof type));
        if (is_required(option))
            (void)fputs("; required", out);
        else if (option->initial != NULL)
            (void)fprintf(out, "; default %s", option->initial[0] != '\0' ? option->initial : "empty");
        (void)fputs(")\n", out);
        print_wrapped(option->help, out);
    }
}

/* In a Markdown table a bar would end the cell. */
static void print_cell(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            (void)fputs("\\|", out);
        else
            (void)fputc(*text, out);
    }
}

void dv_options_print_markdown(const struct dv_option *table, FILE *out)
{
    char type[TYPE_TEXT_MAX];
    (void)fputs("| option | type | default | what it does |\n|---|---|---|---|\n", out);
    for (const struct dv_option *option = table; option->name != NULL; option++) {
        (void)fprintf(out, "| `%s` | ", option->name);
        print_cell(type_text(option, type, sizeof type), out);
        (void)fputs(" | ", out);
        if (is_required(option)) {
            (void)fputs("required", out);
        } else if (option->initial != NULL) {
            (void)fputc('`', out);
            print_cell(option->initial, out);
            (void)fputc('`', out);
        }
        (void)fputs(" | ", out);
        print_cell(option->help, out);
        (void)fputs(" |\n", out);
    }
}

static void schema_enum(const struct dv_option *option, FILE *out)
{
    size_t length = 0;
    const char *cursor = option->values;
    const char *separator = "";
    (void)fputs("\"type\":\"string\",\"enum\":[", out);
    for (const char *word = NULL; (word = dv_option_word(&cursor, &length)) != NULL; separator = ",")
        (void)fprintf(out, "%s\"%.*s\"", separator, (int)length, word);
    (void)fputc(']', out);
}

/* A number, or a text with a variable that will be one. */
static void schema_number(const struct dv_option *option, const char *type, FILE *out)
{
    (void)fprintf(out, "\"anyOf\":[{\"type\":\"%s\"", type);
    if (has_bounds(option))
        (void)fprintf(out, ",\"minimum\":%lld,\"maximum\":%lld", (long long)option->min, (long long)option->max);
    (void)fputs("},{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}]", out);
}

static void schema_type(const struct dv_option *option, FILE *out)
{
    static const char text[] = "\"type\":\"string\"";
    switch (option->type) {
    case DV_INT:
        schema_number(option, "integer", out);
        break;
    case DV_FLOAT:
        schema_number(option, "number", out);
        break;
    case DV_BOOL:
        (void)fputs("\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\"}]", out);
        break;
    case DV_DURATION:
        (void)fprintf(out, "%s,\"pattern\":\"^[0-9]+(ms|s|m|h|d)$|\\\\$\\\\{\"", text);
        break;
    case DV_SIZE:
        (void)fprintf(out, "\"type\":[\"integer\",\"string\"],\"minimum\":0,"
                           "\"pattern\":\"^[0-9]+([KMGT]iB)?$|\\\\$\\\\{\"");
        break;
    case DV_NAME:
        (void)fprintf(out, "%s,\"pattern\":\"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$|\\\\$\\\\{\"", text);
        break;
    case DV_SECRET:
        (void)fprintf(out, "%s,\"pattern\":\"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$|\\\\$\\\\{\"", text);
        break;
    case DV_ENUM:
        schema_enum(option, out);
        break;
    case DV_STRS:
        (void)fprintf(out, "\"anyOf\":[{%s},{\"type\":\"array\",\"items\":{%s}}]", text, text);
        break;
    case DV_TREE:
        (void)fputs("\"type\":[\"object\",\"array\",\"string\"]", out);
        break;
    case DV_STR:
        (void)fputs("\"type\":[\"string\",\"number\",\"boolean\"]", out); /* YAML's 5 is JSON's number */
        break;
    }
}

static void schema_property(const struct dv_option *option, FILE *out)
{
    dv_put_json(out, option->name);
    (void)fputs(":{", out);
    schema_type(option, out);
    (void)fputs(",\"description\":", out);
    dv_put_json(out, option->help);
    if (option->initial != NULL) {
        bool is_literal = option->type == DV_INT || option->type == DV_FLOAT || option->type == DV_BOOL;
        (void)fputs(",\"default\":", out);
        if (is_literal)
            (void)fputs(option->initial, out);
        else
            dv_put_json(out, option->initial);
    }
    (void)fputc('}', out);
}

void dv_options_json_schema(const struct dv_option *table, const char *properties, const char *required, FILE *out)
{
    const char *first = properties != NULL ? properties : "";
    (void)fprintf(out, "{\"type\":\"object\",\"properties\":{%s", first);
    const char *separator = first[0] != '\0' ? "," : "";
    for (const struct dv_option *option = table; option->name != NULL; option++, separator = ",") {
        (void)fputs(separator, out);
        schema_property(option, out);
    }
    first = required != NULL ? required : "";
    (void)fprintf(out, "},\"required\":[%s", first);
    separator = first[0] != '\0' ? "," : "";
    for (const struct dv_option *option = table; option->name != NULL; option++) {
        if (!is_required(option))
            continue;
        (void)fputs(separator, out);
        dv_put_json(out, option->name);
        separator = ",";
    }
    (void)fputs("],\"additionalProperties\":false}", out);
}
