# SPDX-License-Identifier: Apache-2.0
"""certs.py - an authority of the emulator's own and a certificate for its hosts; key pairs of users."""
import datetime
import hashlib
import base64
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


def pem(key, password=None):
    lock = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def new_key_pair(path, password=None, bits=2048):
    """Writes a user's private key as PEM; gives its public half, as Snowflake would be told."""
    key = rsa.generate_private_key(65537, bits)
    path.write_bytes(pem(key, password))
    path.chmod(0o600)
    return key.public_key()


def fingerprint(public):
    """SHA256:base64 of the key's DER form, padding and all."""
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def certificate(name, key, issuer, issuer_key, *extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def make(folder, names):
    """ca.pem into the folder; a TLS context with a certificate for 127.0.0.1 and those names, signed by it."""
    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate(named("snowflake emulator"), authority, named("snowflake emulator"), authority, (x509.BasicConstraints(True, None), True))
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, names)])
    mine = certificate(named("snowflake"), key, named("snowflake emulator"), authority, (alternatives, False))
    path = folder / "ca.pem"
    path.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    both = folder / "snowflake-host.pem"
    both.write_bytes(pem(key) + mine.public_bytes(serialization.Encoding.PEM))
    both.chmod(0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return path, context
