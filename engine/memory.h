/* SPDX-License-Identifier: Apache-2.0
 * memory.h - the one door to the system's allocator, where a test can make the n-th allocation fail.
 *
 * All memory comes from here or from an arena; the tidy test fails on malloc anywhere else. */
#ifndef DV_ENGINE_MEMORY_H
#define DV_ENGINE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* `size` bytes, not zeroed, or NULL. Free with dv_memory_free(). */
void *dv_memory_alloc(size_t size);

/* `count` × `size` zeroed bytes, or NULL (also on overflow). Free with dv_memory_free(). */
void *dv_memory_zeroed(size_t count, size_t size);

/* Gives back; accepts NULL. */
void dv_memory_free(void *memory);

/* Test hook, in builds with DV_FAULTS (all but a release): the n-th allocation from now (1 = the next) fails once; 0
 * switches it off. */
void dv_memory_fail_at(uint64_t nth);

/* Bytes in dv_memory_secret() pages: locked, not dumped, zero in a forked child, between guard pages. */
void *dv_memory_secret(size_t size);

/* Wipes and unmaps a block of dv_memory_secret(); accepts NULL. */
void dv_memory_secret_free(void *memory, size_t size);

#endif
