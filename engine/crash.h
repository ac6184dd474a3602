/* SPDX-License-Identifier: Apache-2.0
 * crash.h - labelled places where a test lets the process die, to see that nothing is lost and nothing doubled.
 *
 * DV_CRASH_AT=label:n ends the process as if it were killed, exit code 137 and nothing flushed, when it passes the label
 * for the n-th time. In a release a point is nothing. A label stands at one place only; tools/crash_points lists them,
 * and tests/e2e/test_crash_points.py dies at each. */
#ifndef DV_ENGINE_CRASH_H
#define DV_ENGINE_CRASH_H

#if defined(DV_FAULTS)
#define DV_CRASH_POINT(label) dv_crash_point("" label)
#else
#define DV_CRASH_POINT(label) ((void)0)
#endif

/* What DV_CRASH_POINT is outside a release: returns unless DV_CRASH_AT says that the time has come. Any thread. */
void dv_crash_point(const char *label);

#endif
