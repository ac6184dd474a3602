# SPDX-License-Identifier: Apache-2.0
"""accounts.py - roles and what they may: GRANT and REVOKE, warehouses, users; and whether a statement may be carried out by its role.

DV_ROLE and the roles of administrators may do everything; a role that CREATE ROLE made may do nothing but what was granted to it. What
`denied` names is taken from every role but ACCOUNTADMIN: {("INSERT", "DV.PUBLIC.T"), ("ALL", "WH"), ...}, names as SHOW has them.

A user that CREATE USER made has all of its roles in each session of SQL, beside the primary one, unless it says DEFAULT_SECONDARY_ROLES = ().
Only CREATE asks the primary role alone. A channel is opened in one role (whether secondary ones count there is not confirmed).

Who has no privilege at all on an object is told that there is none; who has another one that it is not enough. That DELETE, UPDATE and
MERGE need SELECT besides is not confirmed: the emulator is the stricter one.
"""
import base64
import re

from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from . import flow
from .brought import exp
from .catalog import Catalog, unknown
from .ddl import EXECUTED, taken
from .identity import User
from .refused import SqlError
from .words import identifiers, words

ADMINS = ("ACCOUNTADMIN", "SYSADMIN", "SECURITYADMIN", "USERADMIN", "ORGADMIN")
CORTEX = re.compile(r"\bAI_\w+\s*\(|\bSNOWFLAKE\s*\.\s*CORTEX\s*\.", re.IGNORECASE)
MADE = {"ROLE", "WAREHOUSE", "USER"}


def insufficient(kind, name, more=""):
    return SqlError("003001", "42501", f"SQL access control error:\nInsufficient privileges to operate on {kind.lower()} '{name.split('.')[-1]}'.{more}")


class Accounts:
    def __init__(self, world):
        self.world, self.denied = world, set()
        self.held = {"PUBLIC": set(), "DV_ROLE": None, **dict.fromkeys(ADMINS)}  # {role: {(privilege, kind, name)}, None: all there is}
        self.given = {role: set() for role in self.held}  # {role: the roles that were granted to it}

    # ---- what a role may ----

    def roles(self, role):
        """The role, those beside it in its session, and those that they have through others; everybody has PUBLIC."""
        found, left = set(), [role, "PUBLIC", *getattr(role, "secondary", ())]
        while left:
            one = left.pop()
            if one in self.held and one not in found:
                found.add(one)
                left += self.given[one]
        return found

    def may(self, role, privilege, kind, name):
        if role == "ACCOUNTADMIN":
            return True
        if {(privilege, name), ("ALL", name)} & self.denied:
            return False
        held = [self.held[one] for one in self.roles(role)]
        relation = self.world.engine.catalog.relations.get(tuple(name.split("."))) if kind in ("TABLE", "VIEW") else None
        return any(one is None or {(privilege, kind, name), ("ALL", kind, name), ("OWNERSHIP", kind, name)} & one for one in held) \
            or relation is not None and relation.owner in self.roles(role)

    def any(self, role, kind, name):
        """Whether a role has any privilege on an object: without one there is no such object for it."""
        if role == "ACCOUNTADMIN":
            return True
        if ("ALL", name) in self.denied:
            return False
        return self.may(role, "OWNERSHIP", kind, name) or any(held is None or any(one[1:] == (kind, name) for one in held)
                                                              for held in (self.held[one] for one in self.roles(role)))

    def visible(self, role, place):
        """Of a table or view: whether SHOW and INFORMATION_SCHEMA have it for that role."""
        relation = self.world.engine.catalog.relations[place]
        return self.any(role, "DATABASE", place[0]) and self.any(role, "SCHEMA", ".".join(place[:2])) \
            and self.any(role, "VIEW" if relation.view else "TABLE", ".".join(place))

    # ---- whether a statement may be carried out ----

    def places(self, role, database, schema):
        """The USAGE that everything in a schema needs."""
        if database and not self.may(role, "USAGE", "DATABASE", database):
            raise unknown("Database", database)
        if database and schema and schema != "INFORMATION_SCHEMA" and not self.may(role, "USAGE", "SCHEMA", f"{database}.{schema}"):
            raise unknown("Schema", f"{database}.{schema}")

    def need(self, role, privileges, place):
        """Privileges on a table or view that is there."""
        self.places(role, *place[:2])
        relation = self.world.engine.catalog.relations.get(place)
        if relation is None:
            return  # whoever looks for it says so
        kind, name = "VIEW" if relation.view else "TABLE", ".".join(place)
        for privilege in privileges:
            if not self.may(role, privilege, kind, name):
                raise insufficient(kind, place[2]) if self.any(role, kind, name) else unknown("Object", name, "42S02")

    def check(self, tree, text, session):
        """SqlError if the session's role may not carry out a statement."""
        if session.role == "ACCOUNTADMIN":
            return
        if CORTEX.search(text) and not (self.world.cortex_granted and self.world.ai_functions_granted):
            raise SqlError("002141", "42601", "SQL compilation error:\nUnknown function. Are SNOWFLAKE.CORTEX_USER and USE AI FUNCTIONS granted?")
        if isinstance(tree, exp.Command):
            return  # each has its own
        target, wanted = self.wanted(tree)
        for table in Catalog.named(tree):
            if table is target or table.catalog == flow.PLACE[0]:
                continue
            self.need(session.role, ["SELECT"], Catalog.place(table, session))
        if isinstance(tree, exp.Create):
            self.creates(tree, session)
        elif isinstance(tree, exp.Drop) and str(tree.args.get("kind")).upper() in ("SCHEMA", "DATABASE"):
            place = Catalog.schema_place(target, session)
            if not self.may(session.role, "OWNERSHIP", "SCHEMA", ".".join(place)):
                raise insufficient("SCHEMA", place[1])
        elif target is not None and wanted:
            self.need(session.role, wanted, Catalog.place(target, session))

    @staticmethod
    def wanted(tree):
        """(the table that a statement changes, the privileges on it)"""
        if isinstance(tree, exp.Insert):
            return (tree.this.this if isinstance(tree.this, exp.Schema) else tree.this), ["INSERT"]
        if isinstance(tree, exp.Merge):
            sorts = {exp.Insert: "INSERT", exp.Update: "UPDATE", exp.Var: "DELETE"}
            return tree.this, ["SELECT", *sorted({sorts[type(when.args["then"])] for when in tree.args["whens"].expressions})]
        if isinstance(tree, (exp.Update, exp.Delete)):
            return tree.this, ["SELECT", type(tree).__name__.upper()]
        if isinstance(tree, exp.TruncateTable):
            return tree.expressions[0], ["TRUNCATE"]
        if isinstance(tree, (exp.Alter, exp.Comment)) and isinstance(tree.this, exp.Table):
            return tree.this, ["OWNERSHIP"]
        if isinstance(tree, exp.Drop):
            return tree.args["tables"][0], ["OWNERSHIP"]
        return (tree.find(exp.Table), []) if isinstance(tree, exp.Create) else (None, [])

    def creates(self, tree, session):
        if tree.kind == "DATABASE":
            return self.account(session, "CREATE DATABASE")
        table = tree.find(exp.Table)
        if tree.kind == "SCHEMA":
            database = Catalog.schema_place(table, session)[0]
            self.places(session.role, database, None)
            if not self.may(str(session.role), "CREATE SCHEMA", "DATABASE", database):
                raise insufficient("DATABASE", database, f"\nYour primary role {session.role} must have CREATE SCHEMA granted on DATABASE {database}.")
            return None
        place = Catalog.place(table, session)
        self.places(session.role, *place[:2])
        schema = ".".join(place[:2])
        if place in self.world.engine.catalog.relations:
            return self.need(session.role, ["OWNERSHIP"], place) if tree.args.get("replace") else None
        if not self.may(str(session.role), f"CREATE {tree.kind}", "SCHEMA", schema):
            raise insufficient("SCHEMA", schema, f"\nYour primary role {session.role} must have CREATE {tree.kind} granted on SCHEMA {schema}.")
        return None

    def created(self, tree, session):
        """A schema or database belongs to the role that made it; tables and views say so themselves."""
        if tree.key == "create" and tree.kind in ("SCHEMA", "DATABASE") and self.held.get(session.role) is not None:
            database, schema = Catalog.schema_place(tree.find(exp.Table), session)
            self.held[session.role].add(("OWNERSHIP", tree.kind, f"{database}.{schema}" if tree.kind == "SCHEMA" else schema))

    def account(self, session, privilege):
        if not self.may(session.role, privilege, "ACCOUNT", "ACCOUNT"):
            raise insufficient("ACCOUNT", self.world.account)

    # ---- statements of its own ----

    def answer(self, text, session):
        """What a statement about roles, users, warehouses or grants says; None: it is about something else."""
        said = words(text)
        verb = said[0].upper() if said else ""
        if verb in ("GRANT", "REVOKE"):
            return self.grant(said, verb == "GRANT", session)
        at = next((at for at, word in enumerate(said[1:4], 1) if word.upper() in MADE), None)
        if at is None or verb not in ("CREATE", "DROP", "ALTER") or verb != "CREATE" and at != 1:
            return None
        self.account(session, f"CREATE {said[at].upper()}")
        return self.object(verb, said[at].upper(), said[at + 1:])

    def object(self, verb, kind, rest):
        exists = [word.upper() for word in rest[:3]]
        rest = rest[3:] if exists == ["IF", "NOT", "EXISTS"] else rest[2:] if exists[:2] == ["IF", "EXISTS"] else rest
        (name,), rest = identifiers(rest)
        there = name in {"ROLE": self.held, "WAREHOUSE": self.world.warehouses, "USER": self.world.users}[kind]
        if verb == "CREATE" and there:
            if exists[0] == "IF":
                return f"{name} already exists, statement succeeded."
            raise taken(name)
        if verb != "CREATE" and not there:
            if exists[0] == "IF":
                return f"Drop statement executed successfully ({name} already dropped)." if verb == "DROP" else EXECUTED
            raise unknown(kind.capitalize(), name)
        act = {("CREATE", "ROLE"): self.role, ("DROP", "ROLE"): self.no_role, ("CREATE", "USER"): self.user, ("ALTER", "USER"): self.user}.get((verb, kind))
        if act:
            act(name, rest)
        elif kind == "WAREHOUSE":
            self.warehouse(verb, name, rest)
        return {"CREATE": f"{kind.capitalize()} {name} successfully created.", "DROP": f"{name} successfully dropped."}.get(verb, EXECUTED)

    def role(self, name, _rest):
        self.held[name], self.given[name] = set(), set()

    def no_role(self, name, _rest):
        del self.held[name], self.given[name]
        for user in self.world.users.values():
            user.roles.discard(name)

    def warehouse(self, verb, name, rest):
        upper = [word.upper() for word in rest]
        (self.world.warehouses.discard if verb == "DROP" else self.world.warehouses.add)(name)
        if "SUSPEND" in upper:
            self.world.suspended.add(name)
        if "RESUME" in upper or verb == "DROP":
            self.world.suspended.discard(name)

    def user(self, name, rest):
        """Keys, default role and warehouse of a user."""
        settings = {rest[at - 1].upper(): rest[at + 1] for at, word in enumerate(rest) if word == "=" and 0 < at < len(rest) - 1}
        keys = {number: public(settings[option]) for number, option in enumerate(("RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2")) if option in settings}
        made = name not in self.world.users
        user = self.world.users.setdefault(name, User(name, role="PUBLIC", roles=("PUBLIC",)))
        for number, key in keys.items():
            user.keys[number:number + 1] = [key]
        user.secondary = self.secondary(rest, made or user.secondary)
        user.role = self.word(settings.get("DEFAULT_ROLE"), user.role)
        user.warehouse = self.word(settings.get("DEFAULT_WAREHOUSE"), user.warehouse)

    @staticmethod
    def secondary(rest, otherwise):
        """Whether sessions have all roles: what DEFAULT_SECONDARY_ROLES = (...) says."""
        upper = [word.upper() for word in rest]
        if "DEFAULT_SECONDARY_ROLES" not in upper:
            return otherwise
        said = upper[upper.index("DEFAULT_SECONDARY_ROLES") + 2:]
        said = said[:said.index(")") + 1]
        if said not in (["(", ")"], ["(", "'ALL'", ")"]):
            raise SqlError("001008", "22023", "SQL compilation error:\ninvalid value for property 'DEFAULT_SECONDARY_ROLES'")
        return len(said) == 3

    @staticmethod
    def word(text, otherwise):
        return otherwise if text is None else text[1:-1].upper() if text[0] == "'" else identifiers([text])[0][0]

    # ---- GRANT and REVOKE ----

    def grant(self, said, gives, session):
        upper = [word.upper() for word in said]
        end = len(upper) - 1 - upper[::-1].index("TO" if gives else "FROM") if ("TO" if gives else "FROM") in upper else 0
        if not end:
            raise SqlError("001003", "42000", "SQL compilation error:\nsyntax error in GRANT")
        (to,), _ = identifiers(said[end + 2:])
        if upper[1] in ("ROLE", "DATABASE") and "ON" not in upper:
            self.account(session, "MANAGE GRANTS")
            return self.grant_role(said, upper, upper[end + 1], to, gives)
        if to not in self.held:
            raise unknown("Role", to)
        on = upper.index("ON")
        privileges = [" ".join(part.split()).removesuffix(" PRIVILEGES") for part in " ".join(upper[1:on]).split(",")]
        objects = self.objects(said[on + 1:end], session)
        for kind, name in objects:  # who owns a thing may say who else uses it
            if not self.may(session.role, "OWNERSHIP", kind, name) and not self.may(session.role, "MANAGE GRANTS", "ACCOUNT", "ACCOUNT"):
                raise insufficient(kind, name)
        for kind, name in objects:
            for privilege in privileges:
                if self.held[to] is not None:
                    (self.held[to].add if gives else self.held[to].discard)((privilege, kind, name))
        return EXECUTED

    def grant_role(self, said, upper, kind, to, gives):
        parts, _ = identifiers(said[2 if upper[1] == "ROLE" else 3:])
        if upper[1] == "DATABASE":  # SNOWFLAKE.CORTEX_USER and the like: PUBLIC has it
            return EXECUTED
        if parts[0] not in self.held:
            raise unknown("Role", parts[0])
        if to not in (self.world.users if kind == "USER" else self.held):
            raise unknown(kind.capitalize(), to)
        holders = self.world.users[to].roles if kind == "USER" else self.given[to]
        (holders.add if gives else holders.discard)(parts[0])
        return EXECUTED

    def objects(self, said, session):
        """[(kind, full name)] that a GRANT is about."""
        upper, catalog = [word.upper() for word in said], self.world.engine.catalog
        if upper[0] == "ACCOUNT":
            return [("ACCOUNT", "ACCOUNT")]
        if upper[0] in ("ALL", "FUTURE"):
            at = upper.index("IN")
            kind, (place, _) = upper[1].removesuffix("S"), identifiers(said[at + 2:])
            inside = tuple(place) if upper[at + 1] == "DATABASE" or len(place) == 2 else (session.database, *place)
            return [(kind, ".".join(one)) for one, relation in catalog.relations.items()
                    if one[:len(inside)] == inside and relation.view == (kind == "VIEW") and upper[0] == "ALL"]
        kind, (parts, _) = upper[0], identifiers(said[1:])
        depth = {"DATABASE": 1, "WAREHOUSE": 1, "SCHEMA": 2}.get(kind, 3)
        place = (*((session.database, session.schema)[:depth - len(parts)] if depth > 1 else ()), *parts)
        if kind == "WAREHOUSE" and place[0] not in self.world.warehouses or kind == "DATABASE" and place[0] not in catalog.databases:
            raise unknown(kind.capitalize(), place[0])
        if depth > 1:
            catalog.schema(*place[:2])
        if kind in ("TABLE", "VIEW") and place not in catalog.relations:
            raise unknown(kind.capitalize(), ".".join(place), "42S02")
        return [(kind, ".".join(place))]


def public(text):
    """A public key as ALTER USER takes it: PEM, or its base64 alone."""
    bare = re.sub(r"\\n|\s", "", text.strip("'"))
    try:
        return load_pem_public_key(text.strip("'").encode()) if "BEGIN" in text else load_der_public_key(base64.b64decode(bare))
    except ValueError:
        raise SqlError("390400", "22023", "SQL compilation error:\nNew public key rejected by current policy. Reason: 'Invalid public key'") from None
