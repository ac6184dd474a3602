/* SPDX-License-Identifier: Apache-2.0
 * follow_up.h - whether a question is to be understood from the one before it.
 *
 * Words are of four kinds: LINK ("and", "but", "versus"), ASK ("which", "is", "show"), REFER ("it", "those"), and small ones ("the", "last",
 * "week"); every other word is a TOPIC. A question follows if
 *   1. it has no TOPIC: "why?", "and last week?", "how many?";
 *   2. or it begins with a LINK or a preposition, or with "what about" or "how about", and no ASK comes behind that: "and in Boston?",
 *      "what about influenza?", "for children?";
 *   3. or it has a REFER and at most two TOPICs: "is it rising?", "how old are they?". "This week" and the like refer to the calendar, and
 *      "that" behind a TOPIC to it ("records that grow") unless it ends the question: neither counts.
 * What else is asked stands for itself, so that no question is searched with words of another. The words are English; a question in
 * another language stands for itself. */
#ifndef DV_OPERATORS_FOLLOW_UP_H
#define DV_OPERATORS_FOLLOW_UP_H

#include <stdbool.h>
#include <stddef.h>

/* Looks at the first words of the text only, which need not be UTF-8. */
bool dv_follows(const char *text, size_t length);

#endif
