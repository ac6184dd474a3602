# SPDX-License-Identifier: Apache-2.0
"""identity.py - who asks: key-pair JWTs, programmatic access tokens, OAuth tokens, and the scoped tokens of the ingest host.

The answer to a bad token never says what is wrong with it, as with Snowflake; `why` has the reasons, for tests.
"""
import base64
import json
import re
import secrets
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from .certs import fingerprint
from .refused import coded

LIFE_S = 3600  # what a JWT is worth after its iat, whatever its exp says
KINDS = {"KEYPAIR_JWT", "OAUTH", "PROGRAMMATIC_ACCESS_TOKEN"}


class Role(str):
    """The primary role of a session, with those beside it."""

    secondary = frozenset()


class User:
    """keys: up to two public keys, for rotation; pats, oauth: {token: expiry, seconds since the epoch}; secondary: whether a session of SQL has
    all roles of the user's beside its own, as those have that CREATE USER made without DEFAULT_SECONDARY_ROLES = ()."""

    def __init__(self, name, *keys, role="DV_ROLE", warehouse=None, roles=("DV_ROLE", "PUBLIC")):
        assert len(keys) <= 2, "a user has two keys at most"
        self.name, self.keys, self.role, self.warehouse, self.roles = name, list(keys), role, warehouse, set(roles)
        self.pats, self.oauth, self.secondary = {}, {}, False

    def session(self, role):
        """The role of a session that asks for one, or for none."""
        made = Role(role or self.role)
        made.secondary = frozenset(self.roles) if self.secondary else frozenset()
        return made


def part(text):
    """A part of a JWT: base64 for URLs without padding."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def seconds(value):
    """Seconds or milliseconds, both are understood."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("not a time")
    return value / 1000 if value > 1e11 else value


class Identity:
    def __init__(self, account, now):
        self.account, self.now = account, now  # now(): the service's own clock
        self.users, self.scoped, self.why = {}, {}, []
        self.tolerance_s, self.scoped_life_s = 60, 3300
        self.assume_oauth = False  # the OpenAPI file's word: without a token type the token is OAuth's

    def refuse(self, why, code="390144", message="JWT token is invalid."):
        self.why.append(why)
        return coded(401, code, f"{message} [{uuid.uuid4()}]" if code == "390144" else message)

    # ---- the control host ----

    def user(self, headers):
        """Who asks; 401 if the token is not worth it."""
        match = re.fullmatch(r"Bearer (\S+)", headers.get("Authorization") or "")
        if not match:
            raise self.refuse("no token", "390101", "Authorization header not found in the request data.")
        token, kind = match[1], headers.get("X-Snowflake-Authorization-Token-Type")
        if kind is not None and kind not in KINDS:
            raise self.refuse("no such token type", "390303", "Invalid OAuth access token.")
        if kind is None:
            kind = "OAUTH" if self.assume_oauth else self.inspected(token)
        if kind == "KEYPAIR_JWT":
            return self.of_jwt(token)
        return self.of_token(token, "pats" if kind == "PROGRAMMATIC_ACCESS_TOKEN" else "oauth")

    @staticmethod
    def inspected(token):
        return "KEYPAIR_JWT" if token.count(".") == 2 else "PROGRAMMATIC_ACCESS_TOKEN" if token.startswith("pat-") else "OAUTH"

    def of_token(self, token, kind):
        for user in self.users.values():
            if token in getattr(user, kind):
                if getattr(user, kind)[token] <= self.now():
                    raise self.refuse("expired", "390318", "OAuth access token expired.")
                return user
        raise self.refuse("unknown token", "390303", "Invalid OAuth access token.")

    def of_jwt(self, token):
        try:
            head, claims, signature = token.split(".")
            header, body = json.loads(part(head)), json.loads(part(claims))
            assert isinstance(header, dict) and isinstance(body, dict)
            signed, mark = f"{head}.{claims}".encode(), part(signature)
        except (ValueError, AssertionError):
            raise self.refuse("not a JWT") from None
        if header.get("alg") != "RS256":
            raise self.refuse("alg is not RS256")
        user, key = self.claimed(body)
        try:
            key.verify(mark, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise self.refuse("signature") from None
        self.in_time(body)
        return user

    def claimed(self, body):
        """The user and the key that the claims name: iss = sub.SHA256:fingerprint, all of it upper case but the fingerprint."""
        subject, issuer = body.get("sub"), body.get("iss")
        match = re.fullmatch(r"([A-Z0-9_-]+)\.([^.]+)", subject if isinstance(subject, str) else "")
        if not match or match[1] != self.account:
            raise self.refuse("sub is not ACCOUNT.USER")
        user = self.users.get(match[2])
        if user is None:
            raise self.refuse("no such user")
        for key in user.keys:
            if issuer == f"{subject}.{fingerprint(key)}":
                return user, key
        raise self.refuse("iss is not ACCOUNT.USER.SHA256:fingerprint of a key of the user's")

    def in_time(self, body):
        try:
            issued, expires = seconds(body.get("iat")), seconds(body.get("exp"))
        except ValueError:
            raise self.refuse("iat or exp is missing") from None
        now = self.now()
        if issued > now + self.tolerance_s:
            raise self.refuse("iat is in the future")
        if now > min(expires, issued + LIFE_S) + self.tolerance_s:
            raise self.refuse("expired" if expires < now else "older than an hour")

    # ---- the ingest host ----

    def scope(self, user, host, role=None):
        """A new token for that host alone, and for a role of the user's."""
        token = "scoped-" + secrets.token_urlsafe(32)
        self.scoped[token] = (host, user, self.now() + self.scoped_life_s, role or user.role)
        return token

    def role_of_scoped(self, headers):
        return self.scoped[headers["Authorization"].removeprefix("Bearer ")][3]

    def of_scoped(self, headers, host):
        """None if it is worth it, or why not."""
        match = re.fullmatch(r"Bearer (\S+)", headers.get("Authorization") or "")
        known = match and self.scoped.get(match[1])
        if headers.get("X-Snowflake-Authorization-Token-Type", "OAUTH") != "OAUTH":
            return "token type"
        if not known:
            return "unknown scoped token"
        if known[2] <= self.now():
            return "scoped token expired"
        return None if known[0] == host else "scoped token of another host"
