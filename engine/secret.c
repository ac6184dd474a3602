/* SPDX-License-Identifier: Apache-2.0
 * secret.c - secrets read from where a reference points: an environment variable, or a file that only we may read. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/option.h"

#define ENV_PREFIX  "env:"
#define FILE_PREFIX "file:"

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_variable_name(const char *text)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    return length != 0 && text[length] == '\0' && (text[0] < '0' || text[0] > '9');
}

bool dv_is_secret_reference(const char *text)
{
    if (has_prefix(text, ENV_PREFIX))
        return is_variable_name(text + strlen(ENV_PREFIX));
    return has_prefix(text, FILE_PREFIX) && text[strlen(FILE_PREFIX)] != '\0';
}

static dv_rc read_variable(const char *name, char *buffer, size_t size, size_t *ret_length, struct dv_error *error)
{
    const char *value = getenv(name);
    if (value == NULL)
        return dv_error_set(error, DV_E_MISSING, "the secret's variable '%s' is not set", name);
    size_t length = strlen(value);
    if (length == 0)
        return dv_error_set(error, DV_E_CONFIG, "the secret in variable '%s' is empty", name);
    if (length >= size)
        return dv_error_set(error, DV_E_LIMIT, "the secret in variable '%s' is over %zu bytes", name, size - 1);
    memcpy(buffer, value, length + 1);
    *ret_length = length;
    return DV_OK;
}

/* A secret that others can read is none: refused, so that it is noticed before it is used. */
static dv_rc check_file(int fd, const char *path, struct dv_error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return dv_error_set(error, DV_E_IO, "secret file '%s': %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return dv_error_set(error, DV_E_CONFIG, "secret file '%s' is not a regular file", path);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return dv_error_set(error, DV_E_CONFIG, "secret file '%s' is open to other users (mode %04o): chmod 600 it",
                            path, (unsigned)(status.st_mode & 07777));
    return DV_OK;
}

/* Reads until `size` bytes are there or the file ends. */
static dv_rc read_bytes(int fd, const char *path, char *buffer, size_t size, size_t *ret_length, struct dv_error *error)
{
    size_t length = 0;
    while (length < size) {
        ssize_t got = read(fd, buffer + length, size - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dv_error_set(error, DV_E_IO, "secret file '%s': %s", path, strerror(errno));
        if (got == 0)
            break;
        length += (size_t)got;
    }
    *ret_length = length;
    return DV_OK;
}

static size_t without_newline(const char *text, size_t length)
{
    if (length == 0 || text[length - 1] != '\n')
        return length;
    return length > 1 && text[length - 2] == '\r' ? length - 2 : length - 1;
}

/* A secret cut off at the buffer's end would be a wrong secret: better none. */
static bool has_more(int fd)
{
    char byte = 0;
    return read(fd, &byte, 1) != 0;
}

static dv_rc read_open_file(int fd, const char *path, bool raw, char *buffer, size_t size, size_t *ret_length,
                            struct dv_error *error)
{
    DV_TRY(check_file(fd, path, error));
    size_t read_length = 0;
    DV_TRY(read_bytes(fd, path, buffer, size, &read_length, error));
    size_t length = raw ? read_length : without_newline(buffer, read_length);
    if (length == size || (read_length == size && has_more(fd)))
        return dv_error_set(error, DV_E_LIMIT, "the secret in file '%s' is over %zu bytes", path, size - 1);
    if (length == 0)
        return dv_error_set(error, DV_E_CONFIG, "secret file '%s' is empty", path);
    memset(buffer + length, 0, size - length);
    *ret_length = length;
    return DV_OK;
}

static dv_rc read_file(const char *path, bool raw, char *buffer, size_t size, size_t *ret_length, struct dv_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO there must not stop the start */
    if (fd < 0)
        return dv_error_set(error, errno == ENOENT ? DV_E_MISSING : DV_E_CONFIG, "secret file '%s': %s", path,
                            strerror(errno));
    dv_rc rc = read_open_file(fd, path, raw, buffer, size, ret_length, error);
    (void)close(fd);
    return rc;
}

static dv_rc read_secret(const char *reference, bool raw, char *buffer, size_t size, size_t *ret_length,
                         struct dv_error *error)
{
    DV_ASSERT(reference != NULL && buffer != NULL && size > 0 && ret_length != NULL);
    *ret_length = 0;
    /* The text of a wrong reference may be the secret itself: it is not repeated. */
    if (!dv_is_secret_reference(reference))
        return dv_error_set(error, DV_E_CONFIG, "a secret's reference must be env:NAME or file:PATH");
    dv_rc rc = has_prefix(reference, ENV_PREFIX)
                   ? read_variable(reference + strlen(ENV_PREFIX), buffer, size, ret_length, error)
                   : read_file(reference + strlen(FILE_PREFIX), raw, buffer, size, ret_length, error);
    if (dv_is_error(rc))
        explicit_bzero(buffer, size);
    return rc;
}

dv_rc dv_secret_read(const char *reference, char *buffer, size_t size, size_t *ret_length, struct dv_error *error)
{
    return read_secret(reference, false, buffer, size, ret_length, error);
}

dv_rc dv_secret_read_raw(const char *reference, char *buffer, size_t size, size_t *ret_length, struct dv_error *error)
{
    return read_secret(reference, true, buffer, size, ret_length, error);
}
