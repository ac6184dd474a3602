/* SPDX-License-Identifier: Apache-2.0
 * test_privacy_key_name.c - names of fields as people write them, and what they say.
 *
 * shows: ANO-1 ANO-3 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "privacy/key_name.h"

/* A key, the field around it, and the answer: a type's name, "plain", "carrier", "label" or "?". */
struct row {
    const char *key, *around, *answer;
};

static const char *answer_of(const struct dv_key_names *names, const char *key, const char *around)
{
    struct dv_key_hint hint = dv_key_names_find(names, key, strlen(key), around, strlen(around));
    switch (hint.sense) {
    case DV_KEY_PERSONAL: assert_in_range(hint.score, 1, 1000); return dv_pii_name(hint.type);
    case DV_KEY_PLAIN: return "plain";
    case DV_KEY_CARRIER: return "carrier";
    case DV_KEY_LABEL: return "label";
    case DV_KEY_UNKNOWN: break;
    }
    return "?";
}

static void check(const struct row *rows, size_t count)
{
    struct dv_key_names *names = malloc(sizeof *names);
    assert_non_null(names);
    dv_key_names_init(names);
    for (size_t i = 0; i < count; i++) {
        const char *answer = answer_of(names, rows[i].key, rows[i].around);
        if (strcmp(answer, rows[i].answer) != 0)
            print_error("%s in \"%s\" is %s\n", rows[i].key, rows[i].around, answer);
        assert_string_equal(answer, rows[i].answer);
    }
    free(names);
}

static void every_way_to_write_a_key_is_one(void **state)
{
    static const struct row rows[] = {
        { "patientFirstName", "", "PERSON" },
        { "patient_first_name", "", "PERSON" },
        { "PATIENT-FIRST-NAME", "", "PERSON" },
        { "Patient First Name", "", "PERSON" },
        { "PatientFirstname", "", "PERSON" },
        { "cust.first.name", "", "PERSON" },
        { "SSNs", "", "SSN" },
        { "emails", "", "EMAIL" },
        { "addresses", "", "LOCATION" },
        { "address2", "", "LOCATION" },
        { "addr_line_1", "", "LOCATION" },
        { "phone1", "", "PHONE" },
        { "homePhone", "", "PHONE" },
        { "phone_home", "", "PHONE" },
        { "dateOfBirth", "", "DATE" },
        { "Date of Birth", "", "DATE" },
        { "DOB", "", "DATE" },
        { "patientDOB", "", "DATE" },
        { "member_dob", "", "DATE" },
        { "MRN", "", "MRN" },
        { "patientMRN", "", "MRN" },
        { "IPAddress", "", "IP" },
        { "E-mail", "", "EMAIL" },
        { "e_mail", "", "EMAIL" },
        { "zip_code", "", "LOCATION" },
        { "ZIP", "", "LOCATION" },
    };
    (void)state;
    check(rows, sizeof rows / sizeof *rows);
}

static void spanish_keys_are_known(void **state)
{
    static const struct row rows[] = {
        { "nombre", "", "PERSON" },
        { "Apellidos", "", "PERSON" },
        { "nombre_paciente", "", "PERSON" },
        { "Nombre del paciente", "", "PERSON" },
        { "fecha de nacimiento", "", "DATE" },
        { "FechaNacimiento", "", "DATE" },
        { "Teléfono", "", "PHONE" },
        { "telefono_contacto", "", "PHONE" },
        { "Dirección", "", "LOCATION" },
        { "código postal", "", "LOCATION" },
        { "DNI", "", "ID" },
        { "NIF", "", "ID" },
        { "número de cuenta", "", "ACCOUNT" },
        { "correo electrónico", "", "EMAIL" },
        { "NHC", "", "MRN" },
        { "usuario", "", "USERNAME" },
        { "estado", "", "plain" },
        { "importe", "", "plain" },
        { "medicamento", "", "plain" },
        { "Médico", "", "PERSON" },
    };
    (void)state;
    check(rows, sizeof rows / sizeof *rows);
}

static void things_are_not_people(void **state)
{
    static const struct row rows[] = {
        { "drug_name", "", "plain" },
        { "productName", "", "plain" },
        { "file_name", "", "plain" },
        { "hostname", "", "?" },
        { "status", "", "plain" },
        { "order_id", "", "plain" },
        { "phone_type", "", "plain" },
        { "email_verified", "", "plain" },
        { "address_count", "", "plain" },
        { "patient_status", "", "plain" },
        { "amount", "", "plain" },
        { "id", "", "?" },
        { "requestId", "", "plain" },
        { "unit", "", "plain" },
        { "mxtplk", "", "?" },
        { "customer_type", "", "plain" },
        { "company name", "", "plain" },
        { "genderCode", "", "plain" },
        { "status_code", "", "plain" },
        { "message", "", "?" },
        { "message_id", "", "plain" },
        { "Description", "", "?" },
    };
    (void)state;
    check(rows, sizeof rows / sizeof *rows);
}

static void the_field_around_tells_whose_it_is(void **state)
{
    static const struct row rows[] = {
        { "name", "patient", "PERSON" },    { "name", "product", "plain" }, { "id", "patients", "MRN" },
        { "id", "customer", "ID" },         { "id", "order", "plain" },     { "number", "phone", "PHONE" },
        { "number", "account", "ACCOUNT" }, { "number", "passport", "ID" }, { "value", "name", "carrier" },
        { "first", "name", "PERSON" },      { "name", "", "PERSON" },       { "customer_id", "order", "ID" },
        { "name", "hospital", "plain" },    { "text", "", "carrier" },      { "label", "", "label" },
    };
    (void)state;
    check(rows, sizeof rows / sizeof *rows);
}

static void odd_keys_are_unknown(void **state)
{
    char longest[400];
    struct dv_key_names *names = malloc(sizeof *names);
    (void)state;
    assert_non_null(names);
    dv_key_names_init(names);
    memset(longest, 'a', sizeof longest);
    for (size_t length = 0; length < sizeof longest; length++)
        assert_int_equal(dv_key_names_find(names, longest, length, longest, length).sense, DV_KEY_UNKNOWN);
    for (int byte = 0; byte < 256; byte++) {
        char key[3] = { (char)byte, (char)(255 - byte), (char)byte };
        (void)dv_key_names_find(names, key, sizeof key, key, sizeof key);
    }
    for (size_t i = 0; i + 1 < sizeof longest; i += 2)
        memcpy(longest + i, i % 4 ? "aB" : "1_", 2);
    for (size_t length = 0; length < sizeof longest; length++)
        (void)dv_key_names_find(names, longest, length, longest, length / 2);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_write_a_key_is_one),
        cmocka_unit_test(spanish_keys_are_known),
        cmocka_unit_test(things_are_not_people),
        cmocka_unit_test(the_field_around_tells_whose_it_is),
        cmocka_unit_test(odd_keys_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
