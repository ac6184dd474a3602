/* SPDX-License-Identifier: Apache-2.0
 * private_file.h - files that only their owner may read, and that are replaced whole or not at all.
 *
 * A file or directory that group or others can get at is refused, with the command that mends it. Symbolic links are
 * not followed in the last component. These functions block; they are for start-up and commands, not for the loop. */
#ifndef DV_VAULT_PRIVATE_FILE_H
#define DV_VAULT_PRIVATE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "vault/bytes.h"

enum { DV_PRIVATE_PATH_MAX = 256 };

/* An open directory of mode 0700. */
struct dv_private_dir {
    int fd;
    char path[DV_PRIVATE_PATH_MAX]; /* as it was named, for messages */
};

/* Opens a directory; with `create` makes it first if it is missing (its parent must exist). DV_E_MISSING, DV_E_CONFIG
 * (permissions, or a path over DV_PRIVATE_PATH_MAX - 1), DV_E_IO. */
dv_rc dv_private_dir_open(struct dv_private_dir *ret, const char *path, bool create, struct dv_error *error);

/* Closes it. */
void dv_private_dir_close(struct dv_private_dir *directory);

/* Waits until no other process holds the directory's lock and takes it; gives the descriptor to close in `ret`. */
dv_rc dv_private_dir_lock(const struct dv_private_dir *directory, int *ret, struct dv_error *error);

/* Opens a regular file of mode 0600 in the directory and tells its size in bytes. DV_E_MISSING, DV_E_CONFIG, DV_E_IO.
 */
dv_rc dv_private_open(const struct dv_private_dir *directory, const char *name, int *ret_fd, size_t *ret_size,
                      struct dv_error *error);

/* Reads exactly `size` bytes from `fd` and closes it in any case. DV_E_IO if there are fewer. */
dv_rc dv_private_read(int fd, void *buffer, size_t size, const char *name, struct dv_error *error);

/* Puts `bytes` in place of the file `name`, mode 0600: written beside it, synced, renamed, and the directory synced, so
 * that a crash leaves the old file or the new one. DV_E_FULL, DV_E_IO. */
dv_rc dv_private_write(const struct dv_private_dir *directory, const char *name, struct dv_bytes bytes,
                       struct dv_error *error);

/* Reads a raw key of exactly `size` bytes from the file at `path`, which must be private too. For keys that are shared
 * with others; the caller gives dv_memory_secret() memory and wipes it. DV_E_KEY if it has another size. */
dv_rc dv_private_read_key(const char *path, uint8_t *ret, size_t size, struct dv_error *error);

#endif
