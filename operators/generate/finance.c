/* SPDX-License-Identifier: Apache-2.0
 * finance.c - transactions of invented account holders, a few of them far out of line: those are there to be found. */
#include <stdio.h>
#include <time.h>

#include "operators/generate/moment.h"

enum {
    HOLDERS = 3000,
    FIRST_SECOND = 1762500000, /* 2025-11-07T07:20:00Z */
    SECONDS_APART = 5,
    CREDIT_PERCENT = 12,
    ANOMALIES_PER_MILLE = 4,
    PII_PERCENT = 30,
};

/* Where money is spent: how often, and what is usual in cents. */
struct category {
    const char *name;
    struct dv_drift often;
    uint32_t usual;
};

static const struct category categories[] = {
    { "Groceries", { 220, 100, 2000, 0 }, 4500 },        { "Restaurants", { 150, 200, 1400, 300 }, 3200 },
    { "Fuel", { 100, 150, 3000, 100 }, 5200 },           { "Utilities", { 60, 50, 5000, 0 }, 9500 },
    { "Pharmacy", { 60, 400, 2400, 600 }, 1800 },        { "Travel", { 45, 700, 4000, 900 }, 26000 },
    { "Electronics", { 45, 600, 3600, 1500 }, 18000 },   { "Clothing", { 80, 300, 2600, 700 }, 6800 },
    { "Entertainment", { 70, 250, 1800, 200 }, 2600 },   { "Health", { 40, 200, 2400, 500 }, 8200 },
    { "Online retail", { 130, 300, 3200, 1100 }, 5600 },
};

enum { CATEGORIES = sizeof categories / sizeof *categories };

static const struct category *pick_category(struct dv_moment *moment)
{
    uint32_t weights[CATEGORIES];
    for (uint32_t i = 0; i < CATEGORIES; i++)
        weights[i] = dv_drifted(categories[i].often, moment->number);
    return &categories[dv_pick_weighted(moment, weights, CATEGORIES)];
}

bool dv_finance_has(const char *value)
{
    uint32_t i = 0;
    while (i < CATEGORIES && strcmp(categories[i].name, value) != 0)
        i++;
    return i < CATEGORIES;
}

/* A fifth to a little under three times what is usual for the holder and the category; an anomaly is 25 to 75 times. */
static uint64_t pick_cents(struct dv_moment *moment, const struct category *category, const struct dv_person *who)
{
    uint64_t usual = (uint64_t)category->usual * who->spend / 100;
    uint64_t percent = 20;
    for (int i = 0; i < 4; i++)
        percent += dv_random_below(&moment->random, 68);
    if (dv_random_below(&moment->random, 1000) < ANOMALIES_PER_MILLE)
        percent = 2500 + dv_random_below(&moment->random, 5000);
    return usual * percent / 100 * dv_surged(moment, category->name) + 1;
}

static void personal_memo(struct dv_moment *moment, const struct dv_person *who, char *out, size_t size)
{
    struct dv_person other;
    dv_person_make(&other, moment->seed, HOLDERS + dv_random_below(&moment->random, HOLDERS));
    switch (dv_random_below(&moment->random, 6)) {
    case 0: (void)snprintf(out, size, " Refund to %s %s, IBAN %s.", who->first, who->last, who->iban); break;
    case 1: (void)snprintf(out, size, " Receipt sent to %s.", who->email); break;
    case 2: (void)snprintf(out, size, " Paid with card %s.", who->card); break;
    case 3: (void)snprintf(out, size, " Shared with %s %s, call %s.", other.first, other.last, other.phone); break;
    case 4: (void)snprintf(out, size, " Transfer to %s, reference %s.", other.iban, other.last); break;
    default:
        (void)snprintf(out, size, " Ordered from 198.51.100.%u by %s.", (unsigned)dv_random_below(&moment->random, 255),
                       who->email);
        break;
    }
}

static void put_memo(struct dv_moment *moment, const struct dv_person *who)
{
    char personal[192] = "";
    char memo[320];
    if (dv_random_chance(&moment->random, PII_PERCENT))
        personal_memo(moment, who, personal, sizeof personal);
    unsigned order = (unsigned)dv_random_below(&moment->random, 1000000);
    switch (dv_random_below(&moment->random, 4)) {
    case 0: (void)snprintf(memo, sizeof memo, "Online order %06u.%s", order, personal); break;
    case 1: (void)snprintf(memo, sizeof memo, "Recurring payment.%s", personal); break;
    case 2: (void)snprintf(memo, sizeof memo, "Card present, terminal %05u.%s", order % 100000, personal); break;
    default: (void)snprintf(memo, sizeof memo, "Invoice %06u settled.%s", order, personal); break;
    }
    dv_put_text(moment, "memo", memo);
}

static void put_time(struct dv_moment *moment)
{
    /* Thirty years, then the times begin again: the year keeps its four digits however many records are made. */
    uint64_t step = moment->number % (UINT64_C(30) * 365 * 86400 / SECONDS_APART);
    time_t seconds = (time_t)(FIRST_SECOND + step * SECONDS_APART + dv_random_below(&moment->random, SECONDS_APART));
    struct tm utc = { 0 };
    DV_ASSERT(gmtime_r(&seconds, &utc) != NULL);
    char text[24];
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    dv_put_text(moment, "transaction_time", text);
}

static void put_holder(struct dv_moment *moment, const struct dv_person *who)
{
    char name[96];
    (void)snprintf(name, sizeof name, "%s %s", who->first, who->last);
    dv_put_text(moment, "account", who->iban);
    dv_put_text(moment, "name", name);
    dv_put_text(moment, "email", who->email);
    dv_put_text(moment, "card", who->card);
}

void dv_finance_record(struct dv_moment *moment)
{
    struct dv_person who;
    dv_person_make(&who, moment->seed, dv_random_below(&moment->random, HOLDERS));
    const struct category *category = pick_category(moment);
    bool credit = dv_random_chance(&moment->random, CREDIT_PERCENT);
    dv_json_open(&moment->json, '{');
    put_holder(moment, &who);
    dv_put_text(moment, "transaction_type", credit ? "Credit" : "Debit");
    dv_json_key(&moment->json, "amount");
    dv_json_float(&moment->json, (double)pick_cents(moment, category, &who) / 100);
    dv_put_text(moment, "merchant_category", category->name);
    put_time(moment);
    put_memo(moment, &who);
    dv_json_close(&moment->json, '}');
}
