/* SPDX-License-Identifier: Apache-2.0
 * tls_cure.c - the executable's own uv_read_start(), which comes before libuv's. */
#include "dashboard/server/tls_cure.h"

#include <dlfcn.h>
#include <string.h>

#include "engine/error.h"

typedef int (*read_start_fn)(uv_stream_t *stream, uv_alloc_cb alloc, uv_read_cb read);

/* Its address is the mark. */
static const char mark = 'm';

/* Where the mark stands: libuv's unix side uses this union for a file descriptor at most, which is in slot 0. */
enum { MARK_SLOT = 3 };

void dv_tls_cure_mark(struct dv_cured_tcp *connection)
{
    const void *address = &mark;
    memcpy(&connection->tcp.u.reserved[MARK_SLOT], &address, sizeof address);
    connection->read = NULL;
}

static bool is_marked(const uv_stream_t *stream)
{
    return stream->type == UV_TCP && stream->u.reserved[MARK_SLOT] == &mark;
}

static void read_something(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct dv_cured_tcp *connection = (struct dv_cured_tcp *)stream;
    DV_ASSERT(connection->read != NULL);
    if (count == 0 || !connection->before(connection, count))
        return;
    connection->read(stream, count, buffer);
    connection->after(connection, count);
}

static read_start_fn find(void *handle)
{
    void *symbol = dlsym(handle, "uv_read_start");
    read_start_fn function = NULL;
    memcpy(&function, &symbol, sizeof function);
    return function;
}

bool dv_tls_cure_in_place(void)
{
    return find(RTLD_DEFAULT) == uv_read_start && find(RTLD_NEXT) != NULL;
}

/* Not cached: that would need a global, and this runs once per request, not per read. */
int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc, uv_read_cb read)
{
    read_start_fn real = find(RTLD_NEXT);
    DV_ASSERT(real != NULL);
    if (!is_marked(stream))
        return real(stream, alloc, read);
    ((struct dv_cured_tcp *)stream)->read = read;
    return real(stream, alloc, read_something);
}
