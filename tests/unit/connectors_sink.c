/* SPDX-License-Identifier: Apache-2.0
 * connectors_sink.c - an appender with what it told, for the tests of what is appended and of torn ends. */
#include "tests/unit/connectors_sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void on_progress(void *data)
{
    struct sink *sink = data;
    sink->told++;
    sink->moved = true;
}

struct dv_appender_options sink_options(struct world *world, struct sink *sink, const char *path)
{
    *sink = (struct sink){ 0 };
    return (struct dv_appender_options){ .loop = &world->loop.base,
                                         .sys = &faulty_sys,
                                         .name = "out",
                                         .path = path,
                                         .sync = true,
                                         .progress = on_progress,
                                         .data = sink };
}

void sink_open_with(struct sink *sink, const struct dv_appender_options *options)
{
    struct dv_error error = { 0 };
    if (dv_appender_open(&sink->appender, options, &error) != DV_OK)
        fail_msg("%s", error.text);
}

void sink_open(struct world *world, struct sink *sink, const char *path)
{
    struct dv_appender_options options = sink_options(world, sink, path);
    sink_open_with(sink, &options);
}

bool sink_put(struct sink *sink, const void *bytes, size_t length)
{
    bool never = false;
    char *room = dv_appender_room(&sink->appender, length, &never);
    assert_false(never);
    if (room == NULL)
        return false;
    memcpy(room, bytes, length);
    dv_appender_filled(&sink->appender, length);
    return true;
}

void sink_close(struct world *world, struct sink *sink)
{
    dv_appender_close(&sink->appender);
    world_run_dry(world);
}

void assert_file(const char *path, const char *expected)
{
    char found[256];
    size_t length = world_read(path, found, sizeof found);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(found, expected, length);
}
