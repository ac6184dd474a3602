/* SPDX-License-Identifier: Apache-2.0
 * rag_asking.c - tables of words, and which of them a question has. */
#include "operators/rag_asking.h"

#include <stdio.h>
#include <string.h>

#include "operators/citation_glyph.h"

enum {
    WANTS = 0xFF,
    KINDS = DV_ASK_RISING | DV_ASK_FALLING | DV_ASK_UNUSUAL | DV_ASK_MIX | DV_ASK_MOST,
    HEALTH = 0x100,
    MONEY = 0x200,
    PERSONS = 0x400,
    NEGATED = 0x800,
    NOTHING = 0x1000,
    BASE_MIN = 4,
    HEAD = 3
};

/* Words between blanks, and what they mean. */
static const struct {
    uint32_t means;
    const char *words;
} table[] = {
    { DV_ASK_RISING, " rising rises rise rose risen increase increases increased increasing grow grows grew growing "
                     "growth up upward climb climbs climbing climbed "
                     "surge surges surging surged spike spikes spiking spiked jump jumps jumped jumping emerge emerges "
                     "emerging emerged outbreak outbreaks "
                     "soar soaring soared escalate escalating worse worsen worsening worsened spread spreads spreading "
                     "higher accelerate accelerating " },
    { DV_ASK_FALLING, " falling falls fall fell fallen decrease decreases decreased decreasing decline declines "
                      "declined declining drop drops dropped dropping "
                      "down downward lower lowest least fewer fewest less rare rarer rarest rarely shrink shrinking "
                      "recede receding reduced reducing reduction "
                      "steady stable unchanged smallest improving improved improve " },
    { DV_ASK_UNUSUAL, " unusual unusually anomaly anomalies anomalous abnormal abnormally abnormality abnormalities "
                      "irregular irregularly irregularity "
                      "irregularities strange strangely odd oddly weird outlier outliers unexpected unexpectedly "
                      "exceptional remarkable noteworthy notable "
                      "peculiar atypical extraordinary alarming alarm alarms alert alerts warning warnings suspicious "
                      "deviate deviates deviation deviations "
                      "deviating stray strays straying conspicuous striking " },
    { DV_ASK_MIX, " mix mixes mixture distribution distributions composition share shares proportion proportions shift "
                  "shifts shifted shifting drift drifts "
                  "drifted drifting makeup balance breakdown " },
    { DV_ASK_MOST, " most top frequent frequently frequency common commonly commonest largest biggest main major "
                   "leading prevalent prevalence highest "
                   "dominant often ranking rank ranks ranked popular " },
    { DV_ASK_ADVICE, " should recommend recommends recommended recommendation recommendations advise advised advice "
                     "suggest suggested suggestion suggestions "
                     "action actions react respond prepare handle " },
    { DV_ASK_NEWS, " anything something everything new news happening happens happened trend trends trending change "
                   "changes changed changing different "
                   "differently overview update updates situation insight insights finding findings attention "
                   "important matters wrong concern concerns "
                   "concerning worry worries worried worrying problem problems issue issues " },
    { DV_ASK_COUNT, " many count counts number numbers figure figures total totals rate rates percent percentage " },
    { HEALTH, " condition conditions diagnosis diagnoses diagnosed disease diseases illness illnesses symptom symptoms "
              "ailment ailments disorder disorders "
              "patient patients clinical medical health hospital hospitals clinic clinics " },
    { MONEY, " transaction transactions payment payments paid spending spend spends spent purchase purchases purchased "
             "expense expenses expenditure "
             "expenditures category categories merchant merchants amount amounts money financial customer customers "
             "cardholder cardholders " },
    { PERSONS, " who whom whose anyone anybody someone somebody " },
    { NEGATED, " not no never without none nor neither nothing nobody except excepting excluding exclude excluded "
               "besides apart isn't aren't wasn't weren't "
               "don't doesn't didn't hasn't haven't hadn't can't cannot couldn't won't wouldn't shouldn't ain't " },
    { NOTHING, " a an the this that these those of in on at to for from by with about as is are was were be been being "
               "am do does did doing done has have "
               "had having can could will would shall may might must i me my we us our ours you your he him his she "
               "her it its they them their there here "
               "which what when where why how and or but if so than then also too very just still ever yet already "
               "please tell show give list explain "
               "explains explained explanation describe let know see say find get want need some any all each every "
               "both either only same such other "
               "others more much lot lots hello hi hey thanks thank kindly today tonight now currently current recent "
               "recently lately moment present "
               "latest week day days hour month year these right group groups grouped record records recorded data "
               "kind kinds type types thing things "
               "people person persons way seen see reported usual usually normal normally expected typical compared "
               "compare comparison related regarding "
               "respect look looks looking like come comes coming came going go goes went make makes made between "
               "among during our what's who's that's "
               "it's there's how's where's i'm we're they're i'd i'll we've case cases stand stands standing out "
               "window windows observed large big high "
               "bad serious badly strongly fast quickly really actually especially particular particularly evidence "
               "mean means median medians doctor nurse sir madam "
               "one ones two three four five six seven eight nine ten use used because due reason reasons cause causes "
               "caused " },
};

/* Words of everyday speech for what records call otherwise. */
static const char *canonical(const char *word)
{
    return strcmp(word, "flu") == 0 ? "influenza" : word;
}

static uint32_t meaning_of(const char *word)
{
    char framed[DV_CITE_RUN_MAX + 3];
    (void)snprintf(framed, sizeof framed, " %s ", word);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strstr(table[i].words, framed) != NULL)
            return table[i].means;
    return 0;
}

/* ---- words with other endings ---- */

static const char *const endings[] = { "",   "s",   "es",  "ies",  "is", "y",   "e",    "ed", "ing",
                                       "ic", "ics", "tic", "tics", "al", "ion", "ions", "ive" };
enum { ENDINGS = sizeof endings / sizeof *endings };

/* Bytes before the ending, or 0: the word does not end so, or nothing much would be left. */
static size_t base_of(const char *word, size_t length, const char *ending)
{
    size_t size = strlen(ending);
    size_t least = strcmp(ending, "s") == 0 ? HEAD : BASE_MIN;
    if (size == 0)
        return length;
    return length >= least + size && memcmp(word + length - size, ending, size) == 0 ? length - size : 0;
}

bool dv_words_alike(const char *a, const char *b)
{
    size_t a_length = strlen(a), b_length = strlen(b);
    if (strcmp(a, b) == 0)
        return true;
    if (a_length < HEAD || b_length < HEAD || memcmp(a, b, HEAD) != 0)
        return false;
    if (b_length > a_length && b[a_length] == '-' && memcmp(a, b, a_length) == 0) /* COVID, COVID-19 */
        return true;
    for (int i = 0; i < ENDINGS; i++) {
        size_t base = base_of(a, a_length, endings[i]);
        for (int j = 0; base > 0 && j < ENDINGS; j++)
            if (base_of(b, b_length, endings[j]) == base && memcmp(a, b, base) == 0)
                return true;
    }
    return false;
}

/* ---- questions ---- */

/* The next word at *at or behind, which moves behind it; false: there is none. */
static bool next_word(struct dv_cite_run *run, const char *text, size_t length, size_t *at)
{
    struct dv_glyph glyph = dv_glyph_at(text, length, *at);
    for (; glyph.kind != DV_GLYPH_END && !dv_glyph_in_word(&glyph); glyph = dv_glyph_at(text, length, *at))
        *at += glyph.bytes;
    if (glyph.kind == DV_GLYPH_END)
        return false;
    *at = dv_cite_run_read(run, text, length, *at);
    char *genitive = run->length > 2 ? run->text + run->length - 2 : run->text;
    if (strcmp(genitive, "'s") == 0 && meaning_of(run->text) == 0)
        *genitive = '\0';
    return true;
}

static void add_word(struct dv_asking *asking, const char *word, bool topic)
{
    word = canonical(word);
    for (uint32_t i = 0; i < asking->count; i++)
        if (strcmp(asking->words[i].text, word) == 0)
            return;
    if (asking->count == DV_ASK_WORDS_MAX) {
        asking->overfull = true;
        return;
    }
    asking->topics |= (uint32_t)topic << asking->count;
    (void)snprintf(asking->words[asking->count++].text, sizeof asking->words[0].text, "%s", word);
}

/* "What is to do", "what can we do": advice; "how do we", "what do we know": nothing. */
static bool asks_to_do(const char *word, const char *before)
{
    static const char subjects[] = " to we i can must one you ";
    char framed[DV_CITE_RUN_MAX + 3];
    (void)snprintf(framed, sizeof framed, " %s ", before);
    return strcmp(word, "do") == 0 && strstr(subjects, framed) != NULL;
}

/* "The 3 most frequent": a number that says how many is no topic. */
static void forget_count(struct dv_asking *asking, const char *number)
{
    for (uint32_t i = 0; i < asking->count; i++)
        if (strcmp(asking->words[i].text, number) == 0)
            asking->topics &= ~(UINT32_C(1) << i);
}

static bool is_number(const char *word)
{
    return word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
}

static void take_word(struct dv_asking *asking, const char *word, const char *before)
{
    uint32_t means = asks_to_do(word, before) ? DV_ASK_ADVICE : meaning_of(word);
    asking->wants |= means & WANTS;
    asking->domains |= (means & HEALTH) != 0 ? DV_ASK_HEALTH : (means & MONEY) != 0 ? DV_ASK_MONEY : 0;
    asking->persons = asking->persons || (means & PERSONS) != 0;
    asking->negated = asking->negated || (means & NEGATED) != 0;
    bool counts = is_number(word) && strcmp(before, "top") == 0; /* "the top 5" */
    if (means == DV_ASK_MOST && is_number(before))
        forget_count(asking, before);
    if ((means & WANTS) != 0 || (means == 0 && !counts))
        add_word(asking, word, means == 0);
}

/* "Are falls rising?": a word for both ways is what it is about. */
static void resolve_both_ways(struct dv_asking *asking)
{
    const uint32_t both = DV_ASK_RISING | DV_ASK_FALLING;
    if ((asking->wants & both) != both)
        return;
    asking->wants &= ~(uint32_t)DV_ASK_FALLING;
    for (uint32_t i = 0; i < asking->count; i++)
        if (meaning_of(asking->words[i].text) == DV_ASK_FALLING)
            asking->topics |= UINT32_C(1) << i;
}

static void read_one(struct dv_asking *asking, const char *question, size_t length)
{
    struct dv_cite_run run;
    char before[DV_CITE_RUN_MAX + 1] = "";
    size_t at = 0;
    while (next_word(&run, question, length, &at)) {
        take_word(asking, run.text, before);
        memcpy(before, run.text, sizeof before);
    }
    resolve_both_ways(asking);
}

/* Reads one more question. If it asks for another kind of finding, what was wanted before is wanted no more. */
static void read_next(struct dv_asking *asking, const char *question, size_t length)
{
    const uint32_t wants = asking->wants;
    const bool negated = asking->negated;
    asking->wants = 0;
    asking->negated = false;
    read_one(asking, question, length);
    if ((asking->wants & KINDS) != 0)
        return;
    asking->wants |= wants;
    asking->negated = asking->negated || negated;
}

void dv_asking_read(struct dv_asking *ret, const char *question, size_t length)
{
    *ret = (struct dv_asking){ .count = 0 };
    for (size_t at = 0, one = 0; at < length; at += one) {
        const char *mark = memchr(question + at, '?', length - at);
        one = mark != NULL ? (size_t)(mark - question) + 1 - at : length - at;
        read_next(ret, question + at, one);
    }
}

/* ---- texts ---- */

uint32_t dv_asking_in(const struct dv_asking *asking, const char *text, size_t length)
{
    struct dv_cite_run run;
    uint32_t bits = 0;
    size_t at = 0;
    while (asking->count > 0 && next_word(&run, text, length, &at))
        for (uint32_t i = 0; i < asking->count; i++)
            bits |= (uint32_t)dv_words_alike(asking->words[i].text, canonical(run.text)) << i;
    return bits;
}

uint32_t dv_asking_domains(const char *text, size_t length)
{
    struct dv_cite_run run;
    uint32_t domains = 0;
    size_t at = 0;
    while (next_word(&run, text, length, &at)) {
        uint32_t means = meaning_of(run.text);
        domains |= (means & HEALTH) != 0 ? DV_ASK_HEALTH : (means & MONEY) != 0 ? DV_ASK_MONEY : 0;
    }
    return domains;
}
