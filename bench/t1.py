# SPDX-License-Identifier: Apache-2.0
"""t1.py - the reference for T1: what every program on the works W1 and W2 has to make of a record."""
import hashlib
import hmac
import re

HMAC_KEY = b"datavault-hmac-key-0123456789abcd"
AES_KEY = bytes(range(32))
SSN = re.compile(r"\b\d{3}-\d{2}-\d{4}\b", re.ASCII)
EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
PHONE = re.compile(r"(?:\+?1[ .-]?)?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b", re.ASCII)


def redact(note):
    """The order matters: an SSN inside an e-mail address leaves no address, and no phone number reaches into either."""
    return PHONE.sub("[PHONE]", EMAIL.sub("[EMAIL]", SSN.sub("[SSN]", note)))


def pseudonym(value):
    return hmac.new(HMAC_KEY, value.encode(), hashlib.sha256).hexdigest()


def t1(record):
    """A new record; the one given stays as it is."""
    hidden = {key: value for key, value in record.items() if key != "name"}
    decade = record["age"] // 10 * 10
    hidden["patient_id"] = pseudonym(record["patient_id"])
    hidden["ssn"] = "***-**-" + record["ssn"][-4:]
    hidden["email"] = record["email"][0] + "***@" + record["email"].split("@", 1)[1]
    hidden["phone"] = "***-***-" + record["phone"][-4:]
    hidden["age"] = f"{decade}-{decade + 9}"
    hidden["note"] = redact(record["note"])
    return hidden
