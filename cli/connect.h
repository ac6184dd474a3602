/* SPDX-License-Identifier: Apache-2.0
 * connect.h - asks the services that a graph's nodes write to whether they would take its records. */
#ifndef DV_CLI_CONNECT_H
#define DV_CLI_CONNECT_H

struct dv_graph;

/* Looks at the table of each sink-snowflake, and says what it found; the exit code: 0, 3, or 5 if a service is down. */
int dv_connect_check(const struct dv_graph *graph);

#endif
