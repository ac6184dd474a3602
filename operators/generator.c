/* SPDX-License-Identifier: Apache-2.0
 * generator.c - the table of domains. */
#include "operators/generator.h"

#include "engine/id.h"
#include "operators/generate/moment.h"

struct domain {
    const char *name;
    dv_domain_record record;
};

static const struct domain domains[DV_DOMAIN_COUNT] = {
    [DV_DOMAIN_HEALTHCARE] = { "healthcare", dv_healthcare_record },
    [DV_DOMAIN_FINANCE] = { "finance", dv_finance_record },
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

void dv_generator_init(struct dv_generator *generator, enum dv_domain domain, uint64_t seed)
{
    DV_ASSERT(generator != NULL && domain_of(domain) != NULL);
    *generator = (struct dv_generator){ .domain = domain, .seed = seed };
}

size_t dv_generate(struct dv_generator *generator, char *out, size_t size)
{
    struct dv_moment moment = { .seed = generator->seed, .number = generator->next };
    uint64_t dice = dv_hash64(&moment.number, sizeof moment.number, ~generator->seed);
    dv_random_seed(&moment.random, dice);
    dv_json_init(&moment.json, out, size);
    domain_of(generator->domain)->record(&moment);
    if (moment.json.full)
        return 0;
    generator->next++;
    return dv_json_length(&moment.json);
}
