# SPDX-License-Identifier: Apache-2.0
"""__main__.py - an emulated Snowflake account to try things out with: python3 -m snowflake --folder DIR [--port N], until SIGTERM or SIGINT.

It listens on this machine alone, keeps its tables in memory, and forgets them when it ends. The account is as docs/snowflake.md has an
administrator make it: database DV, warehouse DV_WH, roles DV_OWNER and DV_WRITER, users DV_MAKER and DV_LOADER, each with a key of its own. Into
DIR it writes

  snowflake.env   what a client is configured with, as exports for a shell: `. DIR/snowflake.env`
  rsa_key.p8      DV_LOADER's private key, maker.pem DV_MAKER's; ca.pem is what the server's certificate is trusted by
  received.log    every byte that came, as it came and unpacked: look for what should not have got there; of more than 64 MB the last ones,
                  the earlier of them in received.log.1

PYTHONPATH=tests/emulators lets Python find it, from the root of the sources; `tools/parts tests` brings the database that it needs.
"""
import argparse
import collections
import os
import pathlib
import shlex
import signal
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import Snowflake
from .certs import new_key_pair

USER, WAREHOUSE, REQUESTS_KEPT, RECEIVED_MAX = "DV_LOADER", "DV_WH", 100, 64 << 20
SET_UP = """
CREATE WAREHOUSE DV_WH WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;
CREATE ROLE DV_OWNER; CREATE ROLE DV_WRITER;
CREATE USER DV_MAKER TYPE = SERVICE DEFAULT_ROLE = DV_OWNER DEFAULT_SECONDARY_ROLES = () RSA_PUBLIC_KEY = '{maker}';
CREATE USER DV_LOADER TYPE = SERVICE DEFAULT_ROLE = DV_WRITER DEFAULT_SECONDARY_ROLES = () DEFAULT_WAREHOUSE = DV_WH RSA_PUBLIC_KEY = '{loader}';
GRANT ROLE DV_OWNER TO USER DV_MAKER; GRANT ROLE DV_WRITER TO USER DV_LOADER;
GRANT USAGE, CREATE SCHEMA ON DATABASE DV TO ROLE DV_OWNER;
GRANT USAGE, CREATE TABLE, CREATE VIEW ON SCHEMA DV.PUBLIC TO ROLE DV_OWNER;
GRANT USAGE ON DATABASE DV TO ROLE DV_WRITER; GRANT USAGE ON SCHEMA DV.PUBLIC TO ROLE DV_WRITER;
GRANT USAGE ON WAREHOUSE DV_WH TO ROLE DV_WRITER
"""


def public_half(path):
    """Of a new key pair, whose private half goes to the file."""
    public = new_key_pair(path).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return "".join(public.splitlines()[1:-1])


def set_up(snow):
    """What docs/snowflake.md asks of an administrator."""
    snow.query(SET_UP.format(maker=public_half(snow.folder / "maker.pem"), loader=public_half(snow.key)))


def write_exports(snow):
    """Whole or not at all, as somebody may wait for it."""
    variables = {"SNOWFLAKE_ACCOUNT": snow.account, "SNOWFLAKE_USER": USER, "SNOWFLAKE_KEY": snow.key.read_text(), "SNOWFLAKE_URL": snow.url,
                 "SNOWFLAKE_CA": snow.ca.resolve(), "SNOWFLAKE_DATABASE": "DV", "SNOWFLAKE_SCHEMA": "PUBLIC", "SNOWFLAKE_WAREHOUSE": WAREHOUSE}
    path, new = snow.folder / "snowflake.env", snow.folder / "snowflake.env.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write("# An emulated Snowflake on this machine, not the real one.\n")
        file.writelines(f"export {name}={shlex.quote(str(value))}\n" for name, value in variables.items())
    new.replace(path)
    return path


def main():
    parser = argparse.ArgumentParser(prog="snowflake", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--port", type=int, default=0, help="of its SQL API; none: any that is free")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before any thread begins, so that all of them do
    with Snowflake(options.folder, port=options.port) as snow:
        snow.log.most = RECEIVED_MAX
        set_up(snow)
        snow.requests = collections.deque(maxlen=REQUESTS_KEPT)
        print(f"emulated Snowflake (not the real one) at {snow.url}: . {write_exports(snow)}", flush=True)
        signal.sigwait(stops)
    return 0


if __name__ == "__main__":
    sys.exit(main())
