/* SPDX-License-Identifier: Apache-2.0
 * healthcare.c - visits of invented patients. What is diagnosed drifts slowly, so that there are trends to find. */
#include <stdio.h>
#include <time.h>

#include "operators/generate/moment.h"

enum {
    PATIENTS = 5000, /* most have several visits in a long run */
    VISITS_A_DAY = 24,
    DAYS = 3650,       /* then the dates begin again */
    FIRST_DAY = 19723, /* 2024-01-01, in days since 1970 */
    PII_PERCENT = 30,  /* notes that hold something personal */
    CHOICES = 4,
};

/* How often a diagnosis is made, and what comes with it. */
struct condition {
    const char *name;
    struct dv_drift often;
    struct vitals {
        int systolic, pulse, tenths; /* blood pressure; temperature in tenths of a degree */
    } usual;
    const char *treatments[CHOICES];
    const char *symptoms[CHOICES + 1];
};

static const struct condition conditions[] = {
    { "Essential hypertension",
      { 150, 100, 9000, 0 },
      { 148, 78, 367 },
      { "Lisinopril 10mg daily", "Amlodipine 5mg daily", "Low-salt diet and home monitoring", NULL },
      { "headache", "dizziness", "blurred vision", "fatigue", NULL } },
    { "Type 2 diabetes mellitus",
      { 130, 150, 14000, 3000 },
      { 134, 80, 367 },
      { "Metformin 500mg twice daily", "Insulin glargine 10 units nightly", "Dietary counselling", NULL },
      { "thirst", "frequent urination", "fatigue", "weight loss", NULL } },
    { "Influenza A",
      { 80, 950, 2400, 600 },
      { 122, 96, 388 },
      { "Oseltamivir 75mg twice daily", "Supportive care, fluids", "Paracetamol 500mg as needed", NULL },
      { "fever", "cough", "muscle pain", "chills", NULL } },
    { "COVID-19",
      { 70, 900, 3400, 2100 },
      { 124, 94, 382 },
      { "Supportive care, fluids", "Nirmatrelvir-ritonavir for 5 days", "Isolation and rest", NULL },
      { "fever", "cough", "loss of smell", "sore throat", NULL } },
    { "Seasonal allergic rhinitis",
      { 90, 850, 2400, 1800 },
      { 118, 74, 366 },
      { "Cetirizine 10mg daily", "Fluticasone nasal spray", "Avoidance of pollen", NULL },
      { "sneezing", "itchy eyes", "runny nose", "congestion", NULL } },
    { "Asthma",
      { 80, 300, 5000, 700 },
      { 120, 88, 366 },
      { "Salbutamol inhaler as needed", "Budesonide inhaler twice daily", "Trigger avoidance", NULL },
      { "wheezing", "cough", "chest tightness", "shortness of breath", NULL } },
    { "Major depressive disorder",
      { 75, 200, 7000, 0 },
      { 118, 72, 366 },
      { "Sertraline 50mg daily", "Cognitive behavioural therapy", "Escitalopram 10mg daily", NULL },
      { "low mood", "insomnia", "loss of appetite", "poor concentration", NULL } },
    { "Hyperlipidemia",
      { 85, 50, 11000, 0 },
      { 130, 74, 366 },
      { "Atorvastatin 20mg daily", "Dietary counselling", "Exercise programme", NULL },
      { "none reported", "fatigue", NULL, NULL, NULL } },
    { "Low back pain",
      { 95, 100, 4000, 900 },
      { 124, 76, 366 },
      { "Ibuprofen 400mg as needed", "Physical therapy 2x/week", "Heat and gentle exercise", NULL },
      { "back pain", "stiffness", "muscle spasm", NULL, NULL } },
    { "Migraine without aura",
      { 60, 120, 6000, 1500 },
      { 120, 76, 366 },
      { "Sumatriptan 50mg at onset", "Propranolol 40mg twice daily", "Rest in a dark room", NULL },
      { "throbbing headache", "nausea", "sensitivity to light", NULL, NULL } },
    { "Urinary tract infection",
      { 55, 250, 3000, 400 },
      { 120, 86, 376 },
      { "Nitrofurantoin 100mg twice daily", "Trimethoprim for 3 days", "Increased fluids", NULL },
      { "burning urination", "frequent urination", "lower abdominal pain", NULL, NULL } },
    { "Community-acquired pneumonia",
      { 35, 600, 2400, 500 },
      { 118, 102, 389 },
      { "Amoxicillin 1g three times daily", "Doxycycline 100mg twice daily", "Hospital admission, oxygen", NULL },
      { "fever", "productive cough", "chest pain", "shortness of breath", NULL } },
    { "Iron deficiency anemia",
      { 40, 100, 8000, 0 },
      { 112, 90, 366 },
      { "Ferrous sulfate 325mg daily", "Iron-rich diet", "Referral for endoscopy", NULL },
      { "fatigue", "pale skin", "shortness of breath", NULL, NULL } },
    { "Lyme disease",
      { 15, 950, 2400, 1500 },
      { 120, 82, 373 },
      { "Doxycycline 100mg twice daily", "Amoxicillin 500mg three times daily", "Observation", NULL },
      { "expanding rash", "joint pain", "fever", "fatigue", NULL } },
};

enum { CONDITIONS = sizeof conditions / sizeof *conditions };

static const struct condition *pick_condition(struct dv_moment *moment)
{
    uint32_t weights[CONDITIONS];
    for (uint32_t i = 0; i < CONDITIONS; i++)
        weights[i] = dv_drifted(conditions[i].often, moment->number) * dv_surged(moment, conditions[i].name);
    return &conditions[dv_pick_weighted(moment, weights, CONDITIONS)];
}

bool dv_healthcare_has(const char *value)
{
    uint32_t i = 0;
    while (i < CONDITIONS && strcmp(conditions[i].name, value) != 0)
        i++;
    return i < CONDITIONS;
}

/* The day of the visit, UTC. */
static struct tm day_of(const struct dv_moment *moment)
{
    time_t seconds = (FIRST_DAY + (time_t)(moment->number / VISITS_A_DAY % DAYS)) * 86400;
    struct tm utc = { 0 };
    DV_ASSERT(gmtime_r(&seconds, &utc) != NULL);
    return utc;
}

static void put_date(struct dv_moment *moment, const struct tm *day)
{
    char text[16];
    (void)strftime(text, sizeof text, "%Y-%m-%d", day);
    dv_put_text(moment, "visit_date", text);
}

static void put_symptoms(struct dv_moment *moment, const struct condition *condition)
{
    dv_json_key(&moment->json, "symptoms");
    dv_json_open(&moment->json, '[');
    bool any = false;
    for (const char *const *symptom = condition->symptoms; *symptom != NULL; symptom++) {
        bool last = symptom[1] == NULL;
        if (!dv_random_chance(&moment->random, 55) && (any || !last))
            continue;
        dv_json_string(&moment->json, *symptom);
        any = true;
    }
    dv_json_close(&moment->json, ']');
}

/* Around what is usual: two dice, so that the middle is likelier than the ends. */
static int64_t around(struct dv_moment *moment, int usual, int spread)
{
    uint64_t sides = (uint64_t)spread + 1;
    return usual - spread +
           (int64_t)(dv_random_below(&moment->random, sides) + dv_random_below(&moment->random, sides));
}

static void put_vitals(struct dv_moment *moment, const struct condition *condition)
{
    struct dv_json *json = &moment->json;
    dv_json_key(json, "vitals");
    dv_json_open(json, '{');
    int64_t systolic = around(moment, condition->usual.systolic, 14);
    dv_json_key(json, "systolic");
    dv_json_int(json, systolic);
    dv_json_key(json, "diastolic");
    dv_json_int(json, systolic * 5 / 8 + around(moment, 0, 4));
    dv_json_key(json, "heart_rate");
    dv_json_int(json, around(moment, condition->usual.pulse, 12));
    dv_json_key(json, "temperature");
    dv_json_float(json, (double)around(moment, condition->usual.tenths, 4) / 10);
    dv_json_close(json, '}');
}

static const char *const openings[] = {
    "Patient presents with mild symptoms and is otherwise stable.",
    "Seen in follow-up; reports feeling better since the last visit.",
    "Symptoms began three days ago and have worsened at night.",
    "Denies chest pain, dyspnea or recent travel.",
    "Lungs clear to auscultation bilaterally, no wheeze.",
    "Reviewed laboratory results from last week; all within expected limits.",
    "Tolerates the medication well, no side effects reported.",
    NULL,
};

static const char *const closings[] = {
    "Advised to return if symptoms worsen or fever above 38.5 C.",
    "Follow-up in two weeks.",
    "Continue current treatment and reassess in three months.",
    "Referred to a specialist for further assessment.",
    "Discussed diet, exercise and sleep.",
    "No further action needed at this time.",
    NULL,
};

/* A sentence that gives somebody away: `who` is the patient, `other` somebody close. */
static void personal_sentence(struct dv_moment *moment, const struct dv_person *who, const struct dv_person *other,
                              char *out, size_t size)
{
    switch (dv_random_below(&moment->random, 8)) {
    case 0:
        (void)snprintf(out, size, " %s %s (SSN %s) asks for results by email.", who->first, who->last, who->ssn);
        break;
    case 1: (void)snprintf(out, size, " Prefers to be contacted at %s.", who->email); break;
    case 2: (void)snprintf(out, size, " Please call back on %s after 5 pm.", who->phone); break;
    case 3:
        (void)snprintf(out, size, " Spouse %s %s can be reached at %s.", other->first, who->last, other->phone);
        break;
    case 4: (void)snprintf(out, size, " Records merged with %s at the patient's request.", who->mrn); break;
    case 5:
        (void)snprintf(out, size, " Mr/Ms %s mentioned that %s %s shows the same symptoms.", who->last, other->first,
                       other->last);
        break;
    case 6: (void)snprintf(out, size, " Copay charged to card %s.", who->card); break;
    default:
        (void)snprintf(out, size, " Portal login from 192.0.2.%u, see https://portal.example.org/p/%s.",
                       (unsigned)dv_random_below(&moment->random, 255), who->mrn);
        break;
    }
}

static void put_note(struct dv_moment *moment, const struct dv_person *who)
{
    char personal[192] = "";
    char note[512];
    if (dv_random_chance(&moment->random, PII_PERCENT)) {
        struct dv_person other;
        dv_person_make(&other, moment->seed, PATIENTS + dv_random_below(&moment->random, PATIENTS));
        personal_sentence(moment, who, &other, personal, sizeof personal);
    }
    const char *opening = dv_pick_text(moment, openings);
    (void)snprintf(note, sizeof note, "%s%s %s", opening, personal, dv_pick_text(moment, closings));
    dv_put_text(moment, "note", note);
}

static void put_patient(struct dv_moment *moment, const struct dv_person *who, uint64_t number, const struct tm *day)
{
    char text[96];
    (void)snprintf(text, sizeof text, "P%08llu", (unsigned long long)number);
    dv_put_text(moment, "patient_id", text);
    (void)snprintf(text, sizeof text, "%s %s", who->first, who->last);
    dv_put_text(moment, "name", text);
    dv_put_text(moment, "ssn", who->ssn);
    dv_put_text(moment, "email", who->email);
    dv_put_text(moment, "phone", who->phone);
    int age = day->tm_year + 1900 - who->birth_year;
    dv_json_key(&moment->json, "age");
    dv_json_int(&moment->json, age > 0 ? age : 0);
}

void dv_healthcare_record(struct dv_moment *moment)
{
    static const char *const outcomes[] = { "improved",  "improved", "stable",   "stable",
                                            "recovered", "worsened", "referred", NULL };
    uint64_t number = dv_random_below(&moment->random, PATIENTS);
    struct dv_person who;
    dv_person_make(&who, moment->seed, number);
    const struct condition *condition = pick_condition(moment);
    const struct tm day = day_of(moment);
    dv_json_open(&moment->json, '{');
    put_patient(moment, &who, number, &day);
    dv_put_text(moment, "diagnosis", condition->name);
    dv_put_text(moment, "treatment_plan", dv_pick_text(moment, condition->treatments));
    put_date(moment, &day);
    put_symptoms(moment, condition);
    put_vitals(moment, condition);
    dv_put_text(moment, "outcome", dv_pick_text(moment, outcomes));
    put_note(moment, &who);
    dv_json_close(&moment->json, '}');
}
