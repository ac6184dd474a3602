/* SPDX-License-Identifier: Apache-2.0
 * progress.c - counts of the runner as a line that is written over itself. */
#include "cli/progress.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/json.h"
#include "engine/operator.h"

enum { REFRESH_MS = 200, BAR = 30 };

struct dv_totals dv_totals_of(const struct dv_graph *graph)
{
    struct dv_totals totals = { 0 };
    for (uint32_t i = 0; i < dv_graph_node_count(graph); i++) {
        const struct dv_node *node = dv_graph_node(graph, i);
        const struct dv_operator *op = dv_node_operator(node);
        const struct dv_node_stats *stats = dv_node_stats(node);
        totals.rejected += stats->rejected;
        totals.in += op->source ? stats->records_out + stats->rejected : 0;
        totals.out += op->sink ? stats->records_in : 0;
    }
    return totals;
}

/* How far the run is, or standard input was read, in percent; 0 if that cannot be known. */
static unsigned percent_of_input(const struct dv_progress *progress, uint64_t records)
{
    if (progress->expected > 0)
        return records < progress->expected ? (unsigned)(records * 100 / progress->expected) : 100;
    off_t at = progress->input_bytes > 0 ? lseek(STDIN_FILENO, 0, SEEK_CUR) : 0;
    if (at <= 0)
        return 0;
    uint64_t percent = (uint64_t)at * 100 / progress->input_bytes;
    return percent > 100 ? 100 : (unsigned)percent;
}

static double seconds(const struct dv_progress *progress)
{
    return (double)(dv_now_ns(progress->loop) - progress->started_ns) / 1e9;
}

static void draw(struct dv_progress *progress)
{
    struct dv_totals totals = dv_totals_of(progress->graph);
    double spent = seconds(progress);
    unsigned percent = percent_of_input(progress, totals.in);
    (void)fprintf(stderr, "\r\033[K");
    if (percent > 0)
        (void)fprintf(stderr, "[%.*s%*s] %3u %%  ", (int)(percent * BAR / 100), "##############################",
                      (int)(BAR - percent * BAR / 100), "", percent);
    (void)fprintf(stderr, "%llu records, %.0f/s", (unsigned long long)totals.in,
                  spent > 0 ? (double)totals.in / spent : 0);
    if (totals.rejected > 0)
        (void)fprintf(stderr, ", %llu rejected", (unsigned long long)totals.rejected);
    (void)fflush(stderr);
    progress->shown = true;
}

static void refresh(struct dv_timer *timer)
{
    draw(timer->data);
    dv_timer_start(timer, REFRESH_MS);
}

void dv_progress_start(struct dv_progress *progress, const struct dv_graph *graph, struct dv_loop *loop, bool quiet)
{
    *progress = (struct dv_progress){ .graph = graph, .loop = loop, .started_ns = dv_now_ns(loop) };
    struct stat input;
    if (fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode))
        progress->input_bytes = (uint64_t)input.st_size;
    dv_timer_init(loop, &progress->timer, refresh, progress);
    if (!quiet && isatty(STDERR_FILENO))
        dv_timer_start(&progress->timer, REFRESH_MS);
}

void dv_progress_close(struct dv_progress *progress)
{
    dv_timer_close(&progress->timer);
    if (progress->shown)
        (void)fprintf(stderr, "\r\033[K");
}

static void summary_json(const struct dv_progress *progress, struct dv_totals totals)
{
    char buffer[512];
    struct dv_json json;
    dv_json_init(&json, buffer, sizeof buffer);
    dv_json_open(&json, '{');
    dv_json_key(&json, "records_in");
    dv_json_uint(&json, totals.in);
    dv_json_key(&json, "records_out");
    dv_json_uint(&json, totals.out);
    dv_json_key(&json, "rejected");
    dv_json_uint(&json, totals.rejected);
    dv_json_key(&json, "seconds");
    dv_json_float(&json, seconds(progress));
    dv_json_close(&json, '}');
    (void)fprintf(stderr, "%.*s\n", (int)dv_json_length(&json), buffer);
}

void dv_progress_summary(const struct dv_progress *progress, bool json)
{
    struct dv_totals totals = dv_totals_of(progress->graph);
    if (json)
        summary_json(progress, totals);
    else
        (void)fprintf(stderr, "datavault: %llu records in, %llu out, %llu rejected, %.1f s\n",
                      (unsigned long long)totals.in, (unsigned long long)totals.out,
                      (unsigned long long)totals.rejected, seconds(progress));
}
