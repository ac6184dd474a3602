/* SPDX-License-Identifier: Apache-2.0
 * follow_up.c - tells a question that needs the one before from one that stands for itself. */
#include "operators/follow_up.h"

#include <stdint.h>
#include <string.h>

enum { WORD_BYTES = 16, WORDS_MAX = 64, TOPICS_MAX = 2 };
enum kind { TOPIC, LINK, ABOUT, PLACE, ASK, REFER, THAT, THIS, SPAN, SMALL };

/* The words of a kind, with a blank on each side. PLACE: prepositions; SPAN: what "this" stands before when it is the calendar's. */
static const char *const words[] = {
    [LINK] = " and but also or so then plus instead compared versus vs ",
    [ABOUT] = " about regarding concerning ",
    [PLACE] = " in at on for from of by with without within among between during since until before after near per over under against like ",
    [ASK] = " what which who whom whose how when where why is are was were be been am do does did has have had can could will would shall should "
            "may might must show tell list give name compare explain describe count find ",
    [REFER] = " it its they them their theirs these those same ",
    [THAT] = " that ",
    [THIS] = " this ",
    [SPAN] = " second minute hour day days night morning evening week weeks weekend month months quarter quarters season year years decade time "
             "today yesterday tonight tomorrow now january february march april june july august september october november december "
             "monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter ",
    [SMALL] = " a an the i me my we us our you your he him his she her one ones some any all each every both many much few more most less least "
              "fewer other others another else there here last next past previous earlier later ago recent recently currently ever never "
              "not no yes ok okay please just only too very really again still yet even exactly up down out as than to into if because "
              "long often far old new high low well good first second third two three four five six seven eight nine ten s t re ",
};

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
}

/* A word with blanks around it, in small letters; a longer one is none of those above. */
static enum kind kind_of(const char *word, size_t length)
{
    char key[WORD_BYTES + 3] = " ";
    if (length > WORD_BYTES)
        return TOPIC;
    for (size_t i = 0; i < length; i++)
        key[1 + i] = (char)(word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i]);
    key[1 + length] = ' ';
    for (int kind = LINK; kind <= SMALL; kind++)
        if (strstr(words[kind], key) != NULL)
            return (enum kind)kind;
    return TOPIC;
}

static size_t kinds_of(const char *text, size_t length, enum kind kinds[WORDS_MAX])
{
    size_t count = 0;
    for (size_t at = 0; at < length && count < WORDS_MAX;) {
        size_t end = at;
        while (end < length && is_letter(text[end]))
            end++;
        if (end > at)
            kinds[count++] = kind_of(text + at, end - at);
        at = end > at ? end : at + 1;
    }
    return count;
}

static size_t count_in(const enum kind *kinds, size_t count, enum kind kind)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += kinds[i] == kind;
    return found;
}

static bool refers(const enum kind *kinds, size_t count)
{
    bool topic = false;
    for (size_t i = 0; i < count; i++) {
        bool calendar = i + 1 < count && kinds[i + 1] == SPAN;
        bool points = kinds[i] == REFER || kinds[i] == THIS || (kinds[i] == THAT && (!topic || i + 1 == count));
        if (points && !calendar)
            return true;
        topic = topic || kinds[i] == TOPIC;
    }
    return false;
}

/* "and …", "for …", "what about …": how many words that takes; 0: it begins otherwise. */
static size_t opening(const enum kind *kinds, size_t count)
{
    size_t at = 0;
    while (at < count && (kinds[at] == LINK || kinds[at] == ABOUT || kinds[at] == PLACE))
        at++;
    if (at == 0 && count > 1 && kinds[0] == ASK && kinds[1] == ABOUT)
        return 2;
    return at;
}

bool dv_follows(const char *text, size_t length)
{
    enum kind kinds[WORDS_MAX];
    size_t count = kinds_of(text, length, kinds);
    size_t topics = count_in(kinds, count, TOPIC), opened = opening(kinds, count);
    if (count == 0)
        return false;
    if (topics == 0)
        return true;
    if (opened > 0 && count_in(kinds + opened, count - opened, ASK) == 0)
        return true;
    return topics <= TOPICS_MAX && refers(kinds, count);
}
