/* SPDX-License-Identifier: Apache-2.0
 * generator.c - the table of domains. */
#include "operators/generator.h"

#include "engine/id.h"
#include "operators/generate/moment.h"

struct domain {
    const char *name;
    dv_domain_record record;
    dv_domain_value has;
};

static const struct domain domains[DV_DOMAIN_COUNT] = {
    [DV_DOMAIN_HEALTHCARE] = { "healthcare", dv_healthcare_record, dv_healthcare_has },
    [DV_DOMAIN_FINANCE] = { "finance", dv_finance_record, dv_finance_has },
};

static const struct domain *domain_of(enum dv_domain domain)
{
    DV_ASSERT((unsigned)domain < DV_DOMAIN_COUNT);
    return &domains[domain];
}

const char *dv_domain_name(enum dv_domain domain)
{
    return domain_of(domain)->name;
}

bool dv_domain_has(enum dv_domain domain, const char *value)
{
    return domain_of(domain)->has(value);
}

static bool is_surging(const struct dv_surge *surge, uint64_t number)
{
    if (surge->value == NULL || number < surge->after)
        return false;
    uint64_t since = number - surge->after;
    return (surge->every > 0 ? since % surge->every : since) < surge->length;
}

void dv_generator_init(struct dv_generator *generator, enum dv_domain domain, uint64_t seed)
{
    DV_ASSERT(generator != NULL && domain_of(domain) != NULL);
    *generator = (struct dv_generator){ .domain = domain, .seed = seed };
}

size_t dv_generate(struct dv_generator *generator, char *out, size_t size)
{
    struct dv_moment moment = { .seed = generator->seed, .number = generator->next };
    moment.surge = is_surging(&generator->surge, generator->next) ? &generator->surge : NULL;
    uint64_t dice = dv_hash64(&moment.number, sizeof moment.number, ~generator->seed);
    dv_random_seed(&moment.random, dice);
    dv_json_init(&moment.json, out, size);
    domain_of(generator->domain)->record(&moment);
    if (moment.json.full)
        return 0;
    generator->next++;
    return dv_json_length(&moment.json);
}
