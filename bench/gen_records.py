#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gen_records.py N [SEED] - writes N synthetic patient records as JSONL; the same seed gives the same bytes.

Three in ten notes hold an SSN, a phone number in one of four spellings, an e-mail address or a person's name. The order of
the draws is part of the data: moving one changes every record after it.
"""
import json
import random
import sys

FIRST = ("James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph "
         "Jessica Thomas Sarah Charles Karen Wei Priya Carlos Fatima Olga Kenji Amara Lars Sofia Ahmed").split()
LAST = ("Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson "
        "Thomas Taylor Moore Jackson Martin Chen Patel Kim Nguyen Okafor Larsen Rossi Khan Novak Tanaka").split()
DIAGNOSES = [
    "Type 2 diabetes mellitus", "Essential hypertension", "Asthma, unspecified", "Major depressive disorder",
    "Acute bronchitis", "Hyperlipidemia", "Osteoarthritis of knee", "Migraine without aura", "Atrial fibrillation",
    "Chronic kidney disease stage 3",
]
PLANS = [
    "Metformin 500mg BID", "Lisinopril 10mg daily", "Albuterol inhaler PRN", "Sertraline 50mg daily",
    "Supportive care, fluids", "Atorvastatin 20mg nightly", "Physical therapy 2x/week", "Sumatriptan 50mg PRN",
    "Apixaban 5mg BID", "Nephrology referral, low-protein diet",
]
SENTENCES = [
    "Patient presents with mild symptoms and is otherwise stable.",
    "Blood pressure 132/84, heart rate 76, afebrile today.",
    "Denies chest pain, dyspnea or recent travel.",
    "Follow up in 6 weeks with repeat labs including HbA1c.",
    "Medication tolerated well, no adverse effects reported.",
    "Counselled on diet, exercise and smoking cessation.",
    "Lungs clear to auscultation bilaterally, no wheeze.",
    "Reviewed imaging from 2024-03-18, no acute findings.",
    "Advised to return if symptoms worsen or fever above 38.5 C.",
    "Dose adjusted to 20 mg daily, next refill in 90 days.",
]
DOMAINS = ("example.com", "mail.example.org", "clinic.example.net")
SPELLINGS = ("%03d-%03d-%04d", "(%03d) %03d-%04d", "+1 %03d %03d %04d", "%03d.%03d.%04d")


def ssn(draw):
    return "%03d-%02d-%04d" % (draw.randint(1, 665), draw.randint(1, 99), draw.randint(1, 9999))


def phone(draw):
    parts = draw.randint(201, 989), draw.randint(200, 999), draw.randint(0, 9999)
    return SPELLINGS[draw.randrange(4)] % parts


def email(draw, first, last):
    return "%s.%s%d@%s" % (first.lower(), last.lower(), draw.randint(1, 999), draw.choice(DOMAINS))


def note(draw, person):
    text = " ".join(draw.sample(SENTENCES, 2))
    if draw.random() >= 0.30:
        return text + " " + draw.choice(SENTENCES)
    kind = draw.randrange(5)
    relative, called = draw.choice(FIRST), phone(draw)
    return text + " " + (
        "SSN on file {ssn}, verify at intake.",
        "Reach at {phone} after hours.",
        "Send results to {email} please.",
        "Daughter {relative} {last} can be called at {called}.",
        "{first} {last} (SSN {ssn}) prefers email {email}.",
    )[kind].format(relative=relative, called=called, **person)


def record(draw, number):
    first, last = draw.choice(FIRST), draw.choice(LAST)
    person = {"first": first, "last": last, "ssn": ssn(draw), "phone": phone(draw), "email": email(draw, first, last)}
    text = note(draw, person)
    return {
        "patient_id": "P%08d" % (number * 7919 % 100000000), "name": first + " " + last,
        "ssn": person["ssn"], "email": person["email"], "phone": person["phone"], "age": draw.randint(0, 99),
        "diagnosis": draw.choice(DIAGNOSES), "treatment_plan": draw.choice(PLANS),
        "visit_date": "20%02d-%02d-%02d" % (draw.randint(18, 26), draw.randint(1, 12), draw.randint(1, 28)), "note": text,
    }


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.splitlines()[0])
    draw = random.Random(int(sys.argv[2]) if len(sys.argv) == 3 else 1)
    for number in range(int(sys.argv[1])):
        sys.stdout.write(json.dumps(record(draw, number), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
