/* SPDX-License-Identifier: Apache-2.0
 * listen.c - addresses are numbers, so that what the file says is what is bound. */
#include "connectors/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_BYTES = 64, BACKLOG = 511 };

static dv_rc refuse(const char *text, struct dv_error *error)
{
    return dv_error_set(error, DV_E_CONFIG,
                        "listen: '%s' is no address; write a number and a port, as in 127.0.0.1:8080 or [::]:8443",
                        text);
}

/* Splits at the last colon and takes the brackets off an IPv6 address. */
static bool split(const char *text, char host[HOST_BYTES], unsigned long *ret_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] < '0' || colon[1] > '9')
        return false;
    char *end = NULL;
    *ret_port = strtoul(colon + 1, &end, 10);
    size_t length = (size_t)(colon - text);
    if (*end != '\0' || *ret_port > UINT16_MAX || length >= HOST_BYTES)
        return false;
    bool brackets = text[0] == '[' && text[length - 1] == ']';
    /* Without brackets the last group of an IPv6 address would pass for the port. */
    if (!brackets && memchr(text, ':', length) != NULL)
        return false;
    size_t skip = brackets ? 1 : 0;
    memcpy(host, text + skip, length - 2 * skip);
    host[length - 2 * skip] = '\0';
    return true;
}

static bool is_loopback_v6(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

dv_rc dv_listen_parse(const char *text, struct dv_listen *where, struct dv_error *error)
{
    *where = (struct dv_listen){ 0 };
    char host[HOST_BYTES];
    unsigned long port = 0;
    if (!split(text, host, &port))
        return refuse(text, error);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&where->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&where->address;
    const char *number = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (inet_pton(AF_INET, number, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        where->length = sizeof *v4;
        where->loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
        return DV_OK;
    }
    if (inet_pton(AF_INET6, number, &v6->sin6_addr) != 1)
        return refuse(text, error);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    where->length = sizeof *v6;
    where->loopback = is_loopback_v6(&v6->sin6_addr);
    return DV_OK;
}

dv_rc dv_listen_rule(const struct dv_listen *where, const char *text, bool has_token, bool has_tls,
                     struct dv_error *error)
{
    if (where->loopback)
        return DV_OK;
    if (!has_token)
        return dv_error_set(error, DV_E_CONFIG,
                            "listen: others can reach %s, so a token is needed: set `token: file:var/token` "
                            "(`openssl rand -hex 32`), or listen on 127.0.0.1",
                            text);
    if (!has_tls)
        return dv_error_set(error, DV_E_CONFIG,
                            "listen: others can reach %s, so TLS is needed: set `tls_cert` and `tls_key`, or listen on "
                            "127.0.0.1",
                            text);
    return DV_OK;
}

static dv_rc bind_failed(const char *text, struct dv_error *error)
{
    const char *mend = errno == EADDRINUSE ? "; end the program that has it, or set another `listen`" : "";
    return dv_error_set(error, DV_E_IO, "listen: cannot listen on %s: %s%s", text, strerror(errno), mend);
}

dv_rc dv_listen_bind(const struct dv_listen *where, const char *text, int *ret_fd, struct dv_error *error)
{
    int fd = socket(where->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return bind_failed(text, error);
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const struct sockaddr *address = (const struct sockaddr *)&where->address;
    if (bind(fd, address, where->length) != 0 || listen(fd, BACKLOG) != 0) {
        dv_rc rc = bind_failed(text, error);
        (void)close(fd);
        return rc;
    }
    *ret_fd = fd;
    return DV_OK;
}

uint16_t dv_listen_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = { 0 };
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}
