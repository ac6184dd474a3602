/* SPDX-License-Identifier: Apache-2.0
 * connectors_sink.h - an appender with what it told, for the tests of what is appended and of torn ends. */
#ifndef DV_TESTS_CONNECTORS_SINK_H
#define DV_TESTS_CONNECTORS_SINK_H

#include "connectors/file.h"
#include "tests/unit/connectors_world.h"

struct sink {
    struct dv_appender appender;
    unsigned told;
    bool moved;
};

/* The options of an appender to `path`, which counts its progress in `*sink`: that is zero then. */
struct dv_appender_options sink_options(struct world *world, struct sink *sink, const char *path);

/* Opens, and fails the test if that cannot be. */
void sink_open_with(struct sink *sink, const struct dv_appender_options *options);
void sink_open(struct world *world, struct sink *sink, const char *path);

/* Hands over bytes; false if there is no room yet. */
bool sink_put(struct sink *sink, const void *bytes, size_t length);

/* Closes, and waits for the worker. */
void sink_close(struct world *world, struct sink *sink);

/* A file holds just this text, of less than 256 bytes. */
void assert_file(const char *path, const char *expected);

#endif
