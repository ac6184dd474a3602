/* SPDX-License-Identifier: Apache-2.0
 * diff.c - `datavault diff`: what got looser between two graph files, in terms of privacy. */
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/diff_settings.h"
#include "engine/json.h"
#include "engine/proof.h"

static const char *const verdict_words[DV_VERDICTS] = { "unchanged", "tighter", "LOOSER" };

/* One side: a proved graph and its rows. */
struct side {
    struct dv_loaded loaded;
    const struct dv_proof_row *rows;
    uint32_t count;
};

/* What is printed, and how. */
struct report {
    bool json;
    uint32_t counts[DV_VERDICTS];
};

static const char *name_of(const struct dv_proof_row *row)
{
    return dv_node_name(row->node);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* The row of the other side for the same exit and the same column, or condition. */
static const struct dv_proof_row *find(const struct side *side, const struct dv_proof_row *row)
{
    for (uint32_t i = 0; i < side->count; i++) {
        const struct dv_proof_row *other = &side->rows[i];
        if (strcmp(name_of(other), name_of(row)) == 0 && strcmp(other->field, row->field) == 0 &&
            same_text(dv_proof_teller(other), dv_proof_teller(row)))
            return other;
    }
    return NULL;
}

/* Whether some exit accepts what was and refuses what is: then the new form shows more there. */
static bool shows_more_somewhere(struct dv_label old, struct dv_label new)
{
    new.class = old.class;
    for (unsigned exit = DV_EXIT_NONE + 1; exit < DV_EXIT_COUNT && old.class != DV_CLASS_PUBLIC; exit++)
        if (dv_label_cleared((enum dv_exit)exit, old, NULL) && !dv_label_cleared((enum dv_exit)exit, new, NULL))
            return true;
    return false;
}

/* Looser is all that shows more or claims to harm less; where forms cannot be compared, both ways are looser. */
static enum dv_verdict judge(struct dv_label old, struct dv_label new)
{
    if (dv_label_equal(old, new))
        return DV_SAME;
    struct dv_label joined = dv_label_join(dv_label_with(DV_CLASS_PUBLIC, old.form, old.parameter),
                                           dv_label_with(DV_CLASS_PUBLIC, new.form, new.parameter));
    bool worse_form = new.form > old.form || (new.form == old.form && new.parameter != old.parameter &&
                                              joined.parameter == new.parameter);
    return new.class < old.class || worse_form || shows_more_somewhere(old, new) ? DV_LOOSER : DV_TIGHTER;
}

static void write_row(struct dv_json *json, enum dv_verdict verdict, const struct dv_proof_row *row, const char *old,
                      const char *new)
{
    dv_json_open(json, '{');
    dv_json_key(json, "change");
    dv_json_string(json, verdict == DV_LOOSER ? "looser" : verdict_words[verdict]);
    dv_json_key(json, "exit");
    dv_json_string(json, name_of(row));
    dv_json_key(json, "field");
    dv_json_string(json, row->field);
    dv_json_key(json, "kind");
    dv_json_string(json, dv_exit_name(row->kind));
    dv_json_key(json, "new");
    dv_json_string(json, new);
    dv_json_key(json, "old");
    dv_json_string(json, old);
    dv_json_key(json, "told_by");
    dv_json_string(json, dv_proof_teller(row));
    dv_json_close(json, '}');
}

static void tell(struct report *report, enum dv_verdict verdict, const struct dv_proof_row *row, const char *old, const char *new)
{
    report->counts[verdict]++;
    if (report->json) {
        char buffer[2048];
        struct dv_json json;
        dv_json_init(&json, buffer, sizeof buffer);
        write_row(&json, verdict, row, old, new);
        (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
        return;
    }
    if (verdict == DV_SAME)
        return;
    const char *by = dv_proof_teller(row);
    (void)printf("%-10s %s (%s): %s%s%s%s: %s -> %s\n", verdict_words[verdict], name_of(row), dv_exit_name(row->kind),
                 by != NULL ? "told by `" : "", by != NULL ? by : "", by != NULL ? "` of " : "", row->field,
                 old != NULL ? old : "(nothing)", new != NULL ? new : "(nothing)");
}

/* A value that is new at an exit shows more, unless it is public; one that is gone shows less. */
static void compare_rows(struct report *report, const struct side *old, const struct side *new)
{
    char before[64];
    char now[64];
    for (uint32_t i = 0; i < new->count; i++) {
        const struct dv_proof_row *row = &new->rows[i];
        const struct dv_proof_row *was = find(old, row);
        (void)dv_label_text(row->label, now, sizeof now);
        if (was != NULL)
            tell(report, was->kind == row->kind ? judge(was->label, row->label) : DV_LOOSER, row,
                 dv_label_text(was->label, before, sizeof before), now);
        else
            tell(report, row->label.class == DV_CLASS_PUBLIC ? DV_SAME : DV_LOOSER, row, NULL, now);
    }
    for (uint32_t i = 0; i < old->count; i++)
        if (find(new, &old->rows[i]) == NULL)
            tell(report, DV_TIGHTER, &old->rows[i], dv_label_text(old->rows[i].label, before, sizeof before), NULL);
}

static void write_setting(struct dv_json *json, enum dv_verdict verdict, const struct dv_setting *setting)
{
    dv_json_open(json, '{');
    dv_json_key(json, "change");
    dv_json_string(json, verdict == DV_LOOSER ? "looser" : verdict_words[verdict]);
    dv_json_key(json, "exit");
    dv_json_string(json, setting->place);
    dv_json_key(json, "field");
    dv_json_string(json, setting->name);
    dv_json_key(json, "kind");
    dv_json_string(json, "setting");
    dv_json_key(json, "new");
    dv_json_string(json, setting->new);
    dv_json_key(json, "old");
    dv_json_string(json, setting->old);
    dv_json_key(json, "told_by");
    dv_json_string(json, NULL);
    dv_json_close(json, '}');
}

static void tell_setting(void *context, enum dv_verdict verdict, const struct dv_setting *setting)
{
    struct report *report = context;
    char buffer[2048];
    struct dv_json json;
    report->counts[verdict]++;
    if (!report->json) {
        (void)printf("%-10s %s: %s: %s -> %s\n", verdict_words[verdict], setting->place, setting->name, setting->old,
                     setting->new);
        return;
    }
    dv_json_init(&json, buffer, sizeof buffer);
    write_setting(&json, verdict, setting);
    (void)printf("%.*s\n", (int)dv_json_length(&json), buffer);
}

static int open_side(struct side *side, const char *path, bool json)
{
    int code = dv_loaded_init(&side->loaded, path, json);
    if (code != DV_EXIT_OK) {
        (void)fprintf(stderr, "%s: refused\n", path);
        return code;
    }
    side->rows = dv_proof_rows(side->loaded.graph, &side->loaded.arena, &side->count);
    return side->rows != NULL ? DV_EXIT_OK : dv_say_error(DV_E_MEMORY, NULL);
}

static int compare(struct report *report, struct side *old, struct side *new)
{
    compare_rows(report, old, new);
    dv_rc rc = dv_diff_settings(&old->loaded, &new->loaded, tell_setting, report);
    if (rc != DV_OK)
        return dv_say_error(rc, NULL);
    bool same = strcmp(dv_graph_config_hash(old->loaded.graph), dv_graph_config_hash(new->loaded.graph)) == 0;
    (void)fprintf(stderr, "%u looser, %u tighter, %u unchanged%s\n", report->counts[DV_LOOSER], report->counts[DV_TIGHTER],
                  report->counts[DV_SAME], same ? "; the configuration is the same" : "");
    return report->counts[DV_LOOSER] > 0 ? dv_rc_exit(DV_E_LEAK) : DV_EXIT_OK;
}

static int run(const struct dv_command *self, int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { 0 } };
    struct report report = { 0 };
    int code = DV_EXIT_OK;
    for (int option; (option = dv_next_option(self, argc, argv, options, &code)) != -1;) {
        if (option == -2)
            return code;
        report.json = true;
    }
    if (optind + 2 != argc)
        return dv_usage(self, "which two graph files, the old and the new?");
    struct side old = { 0 };
    struct side new = { 0 };
    code = open_side(&old, argv[optind], report.json);
    if (code == DV_EXIT_OK) {
        code = open_side(&new, argv[optind + 1], report.json);
        code = code == DV_EXIT_OK ? compare(&report, &old, &new) : code;
        dv_loaded_free(&new.loaded);
    }
    dv_loaded_free(&old.loaded);
    return code;
}

const struct dv_command dv_command_diff = {
    .name = "diff",
    .summary = "Tells what got looser between two graph files.",
    .help = "examples:\n"
            "  datavault diff conf/old.yaml conf/new.yaml\n"
            "  datavault diff --json conf/old.yaml conf/new.yaml | jq 'select(.change == \"looser\")'\n\n"
            "usage: datavault diff [--json] OLD.yaml NEW.yaml\n\n"
            "Proves both and compares what leaves at each exit. Looser is: an exit or a field that was not there (unless it\n"
            "is public), a form that shows more, a smaller k or n, a larger epsilon, a class that is said to harm less, and a\n"
            "condition that tells something new. So is what holds less back beside the labels: a guard that does less or\n"
            "looks for fewer types, a larger max_risk or budget. What cannot be compared counts as looser in both\n"
            "directions: some forms, and a policy whose rules are others.\n\n"
            "exit codes: 0 nothing got looser, 3 a file is wrong, 4 something got looser, or leaks\n",
    .run = run,
};
