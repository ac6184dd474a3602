/* SPDX-License-Identifier: Apache-2.0
 * exit_guard.c - a social security number in the column `diagnosis` is not stopped by its label: this looks at the text.
 *
 * What it does by default is to take the record out: nothing leaves, nothing is changed behind anybody's back, and the record
 * lies sealed among the dead letters until somebody has mended the policy and replays it. */
#include "operators/exit_guard.h"

#include <string.h>
#include <strings.h>

#include "engine/diag.h"
#include "engine/operator.h"
#include "engine/stats.h"
#include "privacy/redact.h"

enum { REASON_MIN = 10 };
enum act { ACT_BLOCK, ACT_REDACT, ACT_ALERT, ACT_OFF };

/* What an exit keeps of its guard. */
struct guard {
    struct dv_strs names;
    int act;
    const char *reason;
    uint32_t types;
    bool own;
    const void *customs[DV_FINDER_CUSTOMS_MAX];
    uint32_t custom_count;
    uint32_t column_count;
    uint8_t columns[DV_COLUMNS_MAX];
    struct dv_guard_account account;
    uint64_t found[DV_BATCH_ROWS / 64]; /* rows of the batch looked at last */
    struct dv_finder finder;
};

static const struct dv_option options[] = {
    { "do", DV_ENUM, offsetof(struct guard, act), .initial = "block", .values = "block|redact|alert|off",
      .help = "block: a record with a finding goes sealed to the dead letters; redact: the finding becomes [TYPE]; alert: it leaves "
              "and is counted; off: nobody looks." },
    { "types", DV_STRS, offsetof(struct guard, names), .initial = "ssn, id, credit_card, iban, email, phone, mrn, ip, mac",
      .help = "What is looked for; names, places, accounts and user names ask the tagger, which is some ten times slower." },
    { "own", DV_BOOL, offsetof(struct guard, own), .initial = "true",
      .help = "Whether the detectors of one's own are looked for, too, that the policies before this exit bring." },
    { "reason", DV_STR, offsetof(struct guard, reason), .help = "Why nobody looks, for the auditor: at least 10 characters, with off only." },
    { 0 },
};

static dv_rc read_type(struct dv_node *node, struct guard *guard, const char *word)
{
    const char *names[DV_PII_COUNT];
    for (uint32_t type = 1; type < DV_PII_COUNT; type++) {
        names[type - 1] = dv_pii_name((enum dv_pii)type);
        if (strcasecmp(names[type - 1], word) != 0)
            continue;
        guard->types |= 1u << type;
        return DV_OK;
    }
    const char *help = dv_diags_suggest(dv_node_diags(node), word, names, DV_PII_COUNT - 1);
    return dv_refuse(node, "guard", "C036", help, "the guard of '%s' names no type of personal data: '%s'", dv_node_name(node), word);
}

static dv_rc check_reason(struct dv_node *node, const struct guard *guard)
{
    if (guard->act != ACT_OFF && guard->reason != NULL)
        return dv_refuse(node, "guard", "C036", "leave `reason` out, or write do: off", "the guard of '%s' is on and needs no reason",
                         dv_node_name(node));
    if (guard->act == ACT_OFF && (guard->reason == NULL || strlen(guard->reason) < REASON_MIN))
        return dv_refuse(node, "guard", "P110", "say it so that an auditor understands it without asking: guard: { do: off, reason: WHY }",
                         "the guard of '%s' is off for no reason of at least %d characters", dv_node_name(node), REASON_MIN);
    return DV_OK;
}

/* What somebody may have typed. Redacted text was looked through already, and invented stand-ins in it look like what they
 * stand for. */
static bool is_looked_at(const struct dv_column *column)
{
    bool text = column->type == DV_TYPE_TEXT || column->type == DV_TYPE_JSON;
    bool typed = column->label.form == DV_FORM_PLAIN || column->label.form == DV_FORM_AGGREGATE;
    return text && typed;
}

/* A sealed record: beside its ciphertext stand names and random numbers of the program's own (a key's salt may look like
 * anybody's number), and nothing that somebody typed. */
static bool is_sealed(const struct dv_schema *schema)
{
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (schema->columns[i].label.form == DV_FORM_SEALED)
            return true;
    return false;
}

/* What `check` tells. */
static const char *fields_of(struct dv_arena *arena, const struct guard *guard, const struct dv_schema *schema)
{
    const char *text = "";
    for (uint32_t i = 0; i < guard->column_count && text != NULL; i++)
        text = dv_arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", schema->columns[guard->columns[i]].name);
    return text == NULL || *text == '\0' ? "(none)" : text;
}

static const char *types_of(struct dv_arena *arena, const struct guard *guard)
{
    const char *text = "";
    for (size_t i = 0; i < guard->names.count && text != NULL; i++)
        text = dv_arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", guard->names.items[i]);
    return text != NULL ? text : "";
}

static struct dv_guard_account account_of(struct dv_arena *arena, const struct guard *guard, const struct dv_schema *schema)
{
    static const char *const words[] = { "block", "redact", "alert", DV_GUARD_OFF };
    struct dv_guard_account account = { .word = words[guard->act], .fields = fields_of(arena, guard, schema), .types = types_of(arena, guard) };
    if (guard->act == ACT_OFF)
        account.why = guard->reason;
    else if (guard->column_count == 0)
        account.why = "no text leaves that somebody can have typed";
    else
        account.why = dv_arena_printf(arena, "each text is looked through for %s%s", account.types,
                                      guard->custom_count > 0 ? ", and by the policy's own detectors" : "");
    account.why = account.why != NULL ? account.why : "";
    return account;
}

static struct dv_guard_account account(const void *state)
{
    const struct guard *guard = state;
    return guard->account;
}

/* What users look for in texts must not leave in others. */
static dv_rc load_own(struct dv_node *node, struct guard *guard)
{
    if (!guard->own || guard->act == ACT_OFF || guard->column_count == 0)
        return DV_OK;
    guard->custom_count = dv_exit_guard_sought(node, guard->customs, DV_FINDER_CUSTOMS_MAX);
    if (guard->custom_count <= DV_FINDER_CUSTOMS_MAX)
        return DV_OK;
    return dv_refuse(node, "guard", "C036", "write guard: { own: false }, or put the detectors into fewer policies",
                     "more than %d policies before '%s' bring detectors", DV_FINDER_CUSTOMS_MAX, dv_node_name(node));
}

static dv_rc load(struct dv_node *node, void *state, const struct dv_schema *leaving, const struct dv_schema *in)
{
    struct guard *guard = state;
    DV_TRY(check_reason(node, guard));
    for (size_t i = 0; i < guard->names.count; i++)
        DV_TRY(read_type(node, guard, guard->names.items[i]));
    for (uint32_t i = 0; !is_sealed(leaving) && i < leaving->column_count; i++) {
        int at = dv_schema_find(in, leaving->columns[i].name);
        DV_ASSERT(at >= 0); /* an exit sends some of what it is given */
        if (is_looked_at(&leaving->columns[i]))
            guard->columns[guard->column_count++] = (uint8_t)at;
    }
    DV_TRY(load_own(node, guard));
    guard->account = account_of(dv_node_arena(node), guard, in);
    return DV_OK;
}

static bool looks(const void *state)
{
    const struct guard *guard = state;
    return guard->act != ACT_OFF && (guard->types != 0 || guard->custom_count > 0) && guard->column_count > 0;
}

static bool edits(const void *state)
{
    const struct guard *guard = state;
    return guard->act == ACT_BLOCK || guard->act == ACT_REDACT;
}

/* ---- the run ---- */

static dv_rc open_guard(struct dv_node *node, void *state)
{
    struct guard *guard = state;
    const uint32_t patterned = DV_PII_ALL & ~DV_PII_TAGGED;
    bool tagged = (guard->types & ~patterned & ~(1u << DV_PII_ID)) != 0; /* of ids those with check digits are enough */
    dv_rc rc = dv_finder_open(&guard->finder, guard->types | (tagged ? 0 : DV_PII_NO_TAGGER));
    for (uint32_t i = 0; i < guard->custom_count && !dv_is_error(rc); i++)
        rc = dv_finder_add(&guard->finder, guard->customs[i]);
    return dv_is_error(rc) ? dv_fail(node, rc, "no memory for the guard") : DV_OK;
}

static void close_guard(void *state)
{
    struct guard *guard = state;
    dv_finder_close(&guard->finder);
}

static unsigned hex_of(const char *text, size_t length)
{
    unsigned code = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i] | 0x20;
        code = code << 4 | (byte >= 'a' ? byte - 'a' + 10u : byte & 15u);
    }
    return code;
}

/* One escape at `text`, behind the backslash, as bytes; gives how many of `text` it takes. */
static size_t unescape_one(const char *text, size_t length, char **out)
{
    static const char named[] = "b\bf\fn\nr\rt\t";
    if (text[0] != 'u' || length < 5) {
        const char *name = strchr(named, text[0]);
        *(*out)++ = name != NULL && *name != '\0' && (name - named) % 2 == 0 ? name[1] : text[0];
        return 1;
    }
    unsigned code = hex_of(text + 1, 4);
    if (code >= 0x800)
        *(*out)++ = (char)(0xE0 | (code >> 12 & 15));
    if (code >= 0x80)
        *(*out)++ = (char)((code >= 0x800 ? 0x80 : 0xC0) | (code >> 6 & (code >= 0x800 ? 0x3Fu : 0x1Fu)));
    *(*out)++ = (char)(code >= 0x80 ? 0x80 | (code & 0x3F) : code);
    return 5;
}

/* JSON without its escapes; a pair of surrogates stays two halves, which no finding needs. */
static size_t unescape(char *out, const char *text, size_t length)
{
    char *start = out;
    for (size_t at = 0; at < length;) {
        if (text[at] == '\\' && at + 1 < length)
            at += 1 + unescape_one(text + at + 1, length - at - 1, &out);
        else
            *out++ = text[at++];
    }
    return (size_t)(out - start);
}

/* JSON hides an '@' behind \u0040: what is looked at is what a reader makes of it. */
static const char *readable(struct dv_node *node, const struct dv_cell *cell, size_t *ret_length)
{
    *ret_length = cell->length;
    if (memchr(cell->text, '\\', cell->length) == NULL)
        return cell->text;
    char *text = dv_arena_text(dv_node_scratch(node), cell->length);
    if (text != NULL)
        *ret_length = unescape(text, cell->text, cell->length);
    return text;
}

/* How many findings a value has, at most DV_REDACT_SPANS_MAX. One that cannot be read has one. */
static size_t count_in(struct dv_node *node, const struct guard *guard, const struct dv_cell *cell, bool json, uint64_t *counts)
{
    DV_UNINITIALIZED struct dv_span spans[DV_REDACT_SPANS_MAX];
    size_t length = cell->length;
    const char *text = json ? readable(node, cell, &length) : cell->text;
    if (text == NULL) {
        counts[DV_PII_OTHER]++;
        return 1;
    }
    size_t count = dv_find(&guard->finder, text, length, spans, DV_REDACT_SPANS_MAX);
    for (size_t i = 0; i < count; i++)
        counts[spans[i].type]++;
    return count;
}

static bool look_at_column(struct dv_node *node, struct guard *guard, const struct dv_batch *batch, uint32_t column, uint64_t *counts)
{
    const struct dv_cell *cells = dv_batch_cells(batch, column);
    bool json = batch->schema->columns[column].type == DV_TYPE_JSON;
    bool any = false;
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (!cells[row].present || dv_batch_rejected(batch, row) || count_in(node, guard, &cells[row], json, counts) == 0)
            continue;
        guard->found[row / 64] |= UINT64_C(1) << (row % 64);
        any = true;
    }
    return any;
}

static bool look(struct dv_node *node, void *state, const struct dv_batch *batch, uint64_t *counts)
{
    struct guard *guard = state;
    bool any = false;
    memset(guard->found, 0, sizeof guard->found);
    for (uint32_t i = 0; i < guard->column_count; i++)
        any = look_at_column(node, guard, batch, guard->columns[i], counts) || any;
    dv_arena_reset(dv_node_scratch(node));
    return any && guard->act != ACT_ALERT;
}

static bool was_found(const struct guard *guard, uint32_t row)
{
    return (guard->found[row / 64] >> (row % 64) & 1) != 0;
}

/* Inside of JSON a finding may be a part of a number or a key: the whole value goes. */
static dv_rc redact_json(struct dv_node *node, const struct guard *guard, struct dv_cell *cell)
{
    static const char redacted[] = "\"[REDACTED]\"";
    uint64_t ignored[DV_GUARDED_MAX] = { 0 };
    if (count_in(node, guard, cell, true, ignored) > 0) {
        cell->text = redacted;
        cell->length = sizeof redacted - 1;
    }
    return DV_OK;
}

static dv_rc redact_cell(struct dv_node *node, const struct guard *guard, struct dv_batch *batch, uint32_t column, struct dv_cell *cell)
{
    struct dv_redacted redacted;
    if (batch->schema->columns[column].type == DV_TYPE_JSON)
        return redact_json(node, guard, cell);
    DV_TRY(dv_redact(&guard->finder, &batch->arena, cell->text, cell->length, &redacted));
    cell->text = redacted.text;
    cell->length = redacted.length;
    return DV_OK;
}

static dv_rc redact_column(struct dv_node *node, const struct guard *guard, struct dv_batch *batch, uint32_t column)
{
    struct dv_cell *cells = dv_batch_edit(batch, column);
    if (cells == NULL)
        return DV_E_MEMORY;
    for (uint32_t row = 0; row < batch->rows; row++)
        if (cells[row].present && was_found(guard, row))
            DV_TRY(redact_cell(node, guard, batch, column, &cells[row]));
    return DV_OK;
}

static dv_rc mend(struct dv_node *node, void *state, struct dv_batch *batch)
{
    const struct guard *guard = state;
    if (guard->act == ACT_BLOCK) {
        for (uint32_t row = 0; row < batch->rows; row++)
            if (was_found(guard, row))
                dv_reject(node, batch, row, DV_E_LEAK, "personal data at an exit");
        return DV_OK;
    }
    for (uint32_t i = 0; i < guard->column_count; i++)
        DV_TRY(redact_column(node, guard, batch, guard->columns[i]));
    return DV_OK;
}

static const char *type_name(uint32_t type)
{
    return type < DV_PII_COUNT ? dv_pii_name((enum dv_pii)type) : NULL;
}

_Static_assert((unsigned)DV_PII_COUNT <= (unsigned)DV_GUARDED_MAX, "each type has its count");

const struct dv_exit_guard dv_guard_of_texts = {
    .options = options,
    .size = sizeof(struct guard),
    .load = load,
    .looks = looks,
    .edits = edits,
    .account = account,
    .open = open_guard,
    .look = look,
    .mend = mend,
    .close = close_guard,
    .type_name = type_name,
};
