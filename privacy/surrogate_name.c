/* SPDX-License-Identifier: Apache-2.0
 * surrogate_name.c - names of people, e-mail addresses and user names.
 *
 * A name is its words, whatever their order, without titles and (beside two words) initials; each word gets a name of its
 * own by its rank among the sorted words, so that "Smith, John Q." and "John Smith" become the same person. */
#include <string.h>

#include "privacy/surrogate_draw.h"
#include "privacy/transform.h"
#include "privacy/unicode.h"

enum { WORDS_MAX = 16, FOLDED_MAX = 48, STRIDE = 4099 };

enum role { GIVEN, LAST, INITIAL, VERBATIM };

struct word {
    const char *text;
    size_t length;
    char folded[FOLDED_MAX];
    size_t folded_length;
    enum role role;
    uint32_t rank; /* among the words of the key */
    char name[DV_NAME_BYTES];
};

struct name {
    struct word word[WORDS_MAX];
    size_t count;
    size_t comma; /* words before the first comma; 0: there is none */
    struct word *key[WORDS_MAX];
    size_t key_count;
};

/* What is no name of anybody: it stays as it is. */
static bool is_verbatim(const struct word *word)
{
    static const char words[] = " mr mrs ms miss mx dr prof sir md phd dds rn np jr sr ii iii iv esq"
                                " de la las los del van von der den di da al el bin du le y ";
    char padded[FOLDED_MAX + 3] = " ";
    memcpy(padded + 1, word->folded, word->folded_length);
    memcpy(padded + 1 + word->folded_length, " ", 2);
    return strstr(words, padded) != NULL;
}

static bool is_in_word(uint32_t code)
{
    enum dv_char_class class = dv_char_class(code);
    return (class >= DV_CHAR_UPPER && class <= DV_CHAR_LETTER) || class == DV_CHAR_IGNORED || dv_char_fold(code) == '\'';
}

static bool add_word(struct name *name, const char *text, size_t length)
{
    struct word *word = &name->word[name->count];
    if (name->count == WORDS_MAX)
        return false;
    *word = (struct word){ .text = text, .length = length };
    word->folded_length = dv_fold_text(text, length, word->folded, sizeof word->folded);
    if (word->folded_length + 4 > sizeof word->folded)
        return false;
    word->role = is_verbatim(word) ? VERBATIM : GIVEN;
    name->count += word->folded_length != 0;
    return true;
}

/* Between words stand blanks and a few marks only; all else is no name. */
static bool is_gap(uint32_t code)
{
    return code < 0x80 && code != 0 && strchr(" .,-()/\"\t", (int)code) != NULL;
}

static bool split(struct name *name, const char *text, size_t length)
{
    uint32_t bytes = 0;
    for (size_t at = 0; at < length;) {
        size_t end = at;
        while (end < length && is_in_word(dv_char_decode((const unsigned char *)text + end, length - end, &bytes)))
            end += bytes;
        if (end != at && !add_word(name, text + at, end - at))
            return false;
        if (end == at && !is_gap((unsigned char)text[at]))
            return false;
        if (end == at && text[at] == ',' && name->comma == 0)
            name->comma = name->count;
        at = end == at ? at + 1 : end;
    }
    return name->count != 0;
}

static bool is_letter_alone(const struct word *word)
{
    uint32_t bytes = 0;
    (void)dv_char_decode((const unsigned char *)word->folded, word->folded_length, &bytes);
    return bytes == word->folded_length;
}

/* Whether there are two whole words, so that initials do not count. */
static bool has_two_words(const struct name *name)
{
    size_t whole = 0;
    for (size_t i = 0; i < name->count; i++)
        whole += name->word[i].role != VERBATIM && !is_letter_alone(&name->word[i]);
    return whole >= 2;
}

static int compare(const struct word *a, const struct word *b)
{
    size_t least = a->folded_length < b->folded_length ? a->folded_length : b->folded_length;
    int order = memcmp(a->folded, b->folded, least);
    return order != 0 ? order : (int)a->folded_length - (int)b->folded_length;
}

/* The words that make the person, sorted. */
static void sort_key(struct name *name)
{
    bool two = has_two_words(name);
    for (size_t i = 0; i < name->count; i++) {
        struct word *word = &name->word[i];
        if (word->role == VERBATIM || (two && is_letter_alone(word)))
            continue;
        size_t at = name->key_count++;
        for (; at > 0 && compare(name->key[at - 1], word) > 0; at--)
            name->key[at] = name->key[at - 1];
        name->key[at] = word;
    }
    for (size_t i = 0; i < name->key_count; i++)
        name->key[i]->rank = (uint32_t)i;
}

static bool is_given(const struct word *word)
{
    return dv_names_has(DV_NAMES_WOMEN, word->folded, word->folded_length) ||
           dv_names_has(DV_NAMES_MEN, word->folded, word->folded_length);
}

/* Surnames stand before a comma, or last; a hyphen binds. */
static void give_roles(struct name *name)
{
    struct word *last = NULL;
    for (size_t i = 0; i < name->count; i++) {
        struct word *word = &name->word[i];
        if (word->role == VERBATIM)
            continue;
        word->role = is_letter_alone(word) ? INITIAL : i < name->comma && name->comma < name->count ? LAST : GIVEN;
        last = word->role == INITIAL ? last : word;
    }
    bool by_comma = name->comma != 0 && name->comma < name->count;
    if (last != NULL && !by_comma && (name->key_count > 1 || !is_given(last)))
        last->role = LAST;
    for (size_t i = name->count - 1; i-- > 0;) {
        struct word *word = &name->word[i];
        bool bound = word->text[word->length] == '-' && word[1].text == word->text + word->length + 1;
        if (bound && word->role == GIVEN && word[1].role == LAST)
            word->role = LAST;
    }
}

static uint64_t hash_of(const struct word *word)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < word->folded_length; i++)
        hash = (hash ^ (unsigned char)word->folded[i]) * 0x100000001B3u;
    return hash;
}

/* Which of the person's words each word of the name is; false: not all are there. */
static bool match(const struct name *name, const struct dv_person *person, uint32_t found[DV_PERSON_WORDS_MAX])
{
    for (size_t k = 0; k < name->key_count; k++) {
        uint64_t hash = hash_of(name->key[k]);
        found[k] = 0;
        while (found[k] < person->count && person->word[found[k]] != hash)
            found[k]++;
        if (found[k] == person->count)
            return false;
    }
    return true;
}

/* Somebody named before whose words hold all of these, or NULL; the names are taken over. */
static const struct dv_person *find_person(struct name *name, const struct dv_people *people)
{
    uint32_t found[DV_PERSON_WORDS_MAX];
    for (uint32_t i = 0; people != NULL && i < people->count; i++) {
        const struct dv_person *person = &people->person[i];
        if (!match(name, person, found))
            continue;
        for (size_t k = 0; k < name->key_count; k++)
            if (name->key[k]->role != INITIAL)
                memcpy(name->key[k]->name, person->name[found[k]], DV_NAME_BYTES);
        return person;
    }
    return NULL;
}

static void remember(const struct name *name, const char *key, size_t length, struct dv_people *people)
{
    if (people == NULL || people->count == DV_PEOPLE_MAX || name->key_count < 2)
        return;
    struct dv_person *person = &people->person[people->count++];
    person->count = (uint32_t)name->key_count;
    person->key_length = (uint32_t)length;
    memcpy(person->key, key, length);
    for (size_t i = 0; i < name->key_count; i++) {
        person->word[i] = hash_of(name->key[i]);
        memcpy(person->name[i], name->key[i]->name, DV_NAME_BYTES);
    }
}

static size_t join_key(const struct name *name, char key[DV_NAME_KEY_MAX])
{
    size_t length = 0;
    for (size_t i = 0; i < name->key_count; i++) {
        memcpy(key + length, name->key[i]->folded, name->key[i]->folded_length);
        length += name->key[i]->folded_length;
        key[length++] = ' ';
    }
    return length;
}

static bool read_name(const struct dv_making *making, struct name *name)
{
    if (!split(name, making->value, making->length))
        return false;
    sort_key(name);
    return name->key_count != 0 && name->key_count <= DV_PERSON_WORDS_MAX;
}

size_t dv_name_key(struct dv_making *making, char key[DV_NAME_KEY_MAX])
{
    struct name name = { 0 };
    struct dv_people *people = making->surrogate->people;
    if (!read_name(making, &name))
        return 0;
    const struct dv_person *person = find_person(&name, people);
    if (person != NULL) {
        memcpy(key, person->key, person->key_length);
        return person->key_length;
    }
    size_t length = join_key(&name, key);
    remember(&name, key, length, people);
    return length;
}

static enum dv_name_list gender_of(const struct name *name, bool otherwise)
{
    for (size_t i = 0; i < name->count; i++) {
        const struct word *word = &name->word[i];
        if (word->role != GIVEN)
            continue;
        if (dv_names_has(DV_NAMES_WOMEN, word->folded, word->folded_length))
            return DV_NAMES_WOMEN;
        if (dv_names_has(DV_NAMES_MEN, word->folded, word->folded_length))
            return DV_NAMES_MEN;
    }
    return otherwise ? DV_NAMES_WOMEN : DV_NAMES_MEN;
}

/* The name at a place of the list, or one further on that has nothing of the words in it. */
static void choose(const struct name *name, struct word *word, enum dv_name_list list, uint32_t index)
{
    uint32_t count = dv_names_count(list);
    for (uint32_t step = 0; step < count; step++, index += STRIDE) {
        const char *candidate = dv_names_at(list, index % count);
        bool free = true;
        for (size_t i = 0; free && i < name->key_count; i++) {
            const struct word *other = name->key[i];
            free = is_letter_alone(other) || !dv_survives(other->folded, other->folded_length, candidate, strnlen(candidate, DV_NAME_BYTES));
        }
        memcpy(word->name, candidate, DV_NAME_BYTES);
        if (free)
            return;
    }
}

static void draw_names(struct dv_making *making, struct name *name, const char *key, size_t length)
{
    dv_draw_start(&making->draw, making->surrogate->maker, 'N', 0, key, length);
    enum dv_name_list gender = gender_of(name, dv_draw_below(&making->draw, 2) == 0);
    for (size_t i = 0; i < name->key_count; i++) {
        struct word *word = name->key[i];
        enum dv_name_list list = word->role == LAST ? DV_NAMES_LAST : gender;
        choose(name, word, list, dv_draw_below(&making->draw, dv_names_count(list)));
        if (i > 0 && compare(name->key[i - 1], word) == 0)
            memcpy(word->name, name->key[i - 1]->name, DV_NAME_BYTES);
    }
}

static bool is_upper(const char *text, size_t length)
{
    uint32_t bytes = 0;
    return length != 0 && dv_char_class(dv_char_decode((const unsigned char *)text, length, &bytes)) == DV_CHAR_UPPER;
}

/* In the case of the old word: all capitals, one, or none; an initial is one letter. */
static void put_word(struct dv_buffer *out, const struct word *word)
{
    uint32_t bytes = 0;
    (void)dv_char_decode((const unsigned char *)word->text, word->length, &bytes);
    bool first = is_upper(word->text, word->length);
    bool all = first && is_upper(word->text + bytes, word->length - bytes);
    size_t length = word->role == INITIAL ? 1 : strnlen(word->name, DV_NAME_BYTES);
    for (size_t i = 0; i < length; i++) {
        bool capital = i == 0 ? first : all;
        dv_put_byte(out, capital ? (char)(word->name[i] - 0x20) : word->name[i]);
    }
}

static void put_words(struct dv_making *making, const struct name *name)
{
    const char *done = making->value;
    for (size_t i = 0; i < name->count; i++) {
        const struct word *word = &name->word[i];
        dv_put(making->out, done, (size_t)(word->text - done));
        if (word->role == VERBATIM)
            dv_put(making->out, word->text, word->length);
        else
            put_word(making->out, word);
        done = word->text + word->length;
    }
    dv_put(making->out, done, (size_t)(making->value + making->length - done));
}

/* Initials that are no part of the key: any letter but their own. */
static void draw_initials(struct dv_making *making, struct name *name)
{
    for (size_t i = 0; i < name->count; i++) {
        struct word *word = &name->word[i];
        if (word->role != INITIAL)
            continue;
        uint32_t letter = dv_draw_below(&making->draw, 26);
        bool own = word->folded[0] == (char)('a' + letter);
        word->name[0] = (char)('a' + (letter + own) % 26);
    }
}

dv_rc dv_make_name(struct dv_making *making)
{
    struct name name = { 0 };
    char key[DV_NAME_KEY_MAX];
    struct dv_people *people = making->surrogate->people;
    if (!read_name(making, &name))
        return DV_E_DATA;
    give_roles(&name);
    size_t length = join_key(&name, key);
    draw_names(making, &name, key, length);
    draw_initials(making, &name);
    if (find_person(&name, people) == NULL)
        remember(&name, key, length, people);
    put_words(making, &name);
    return DV_OK;
}

/* "ada.reyes41", "areyes": with the separator and as many digits at the end as there were. */
static void put_user(struct dv_making *making, size_t length)
{
    const char *value = making->value;
    size_t digits = 0;
    char separator = '\0';
    while (digits < length && value[length - 1 - digits] >= '0' && value[length - 1 - digits] <= '9')
        digits++;
    for (size_t i = 0; i < length && separator == '\0'; i++)
        separator = strchr("._-", value[i]) != NULL ? value[i] : '\0';
    size_t start = making->out->length;
    dv_put_name(&making->draw, dv_draw_below(&making->draw, 2) == 0 ? DV_NAMES_WOMEN : DV_NAMES_MEN, false, making->out);
    if (separator == '\0')
        making->out->length = start + 1;
    else
        dv_put_byte(making->out, separator);
    dv_put_name(&making->draw, DV_NAMES_LAST, false, making->out);
    dv_put_digits(&making->draw, making->out, digits < 6 ? (uint32_t)digits : 6);
}

dv_rc dv_make_user(struct dv_making *making)
{
    put_user(making, making->length);
    return dv_survives(making->folded, making->folded_length, making->out->text, making->out->length) ? DV_DROP : DV_OK;
}

dv_rc dv_make_email(struct dv_making *making)
{
    static const char *const domains[] = { "@example.com", "@example.net", "@example.org" };
    const char *at = memrchr(making->value, '@', making->length);
    char local[DV_SURROGATE_VALUE_MAX * 2];
    if (at == NULL || at == making->value || at + 1 == making->value + making->length)
        return DV_E_DATA;
    size_t length = (size_t)(at - making->value);
    put_user(making, length);
    size_t folded = dv_fold_text(making->value, length, local, sizeof local);
    if (dv_survives(local, folded, making->out->text, making->out->length))
        return DV_DROP;
    const char *domain = domains[dv_draw_below(&making->draw, 3)];
    dv_put(making->out, domain, strlen(domain));
    return DV_OK;
}
