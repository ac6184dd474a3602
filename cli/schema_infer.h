/* SPDX-License-Identifier: Apache-2.0
 * schema_infer.h - `datavault schema infer`: drafts a schema file from sample records. */
#ifndef DV_CLI_SCHEMA_INFER_H
#define DV_CLI_SCHEMA_INFER_H

struct dv_command;

/* Runs `infer` with its own arguments, argv[0] being its name; gives back the exit code. */
int dv_schema_infer(int argc, char **argv);

#endif
