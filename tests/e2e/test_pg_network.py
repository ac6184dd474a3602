#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_pg_network.py - what a network does to a PostgreSQL store: each fault is waited out, and within ten seconds after its
end everything is stored, once.

DATAVAULT_LONG=1 holds the black hole for 30 seconds.

shows: STO-2 BCP-2 BCP-8 DEV-2 R10
"""
import os
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import pg_server
from faultproxy import FaultProxy, Plan
from own_hosts import Hosts
from world import end, free_port, get, wait_for
from pg_world import FOLLOWED, check_each_once, make_server, make_world, migrate, needs_server, once, stored

pytestmark = needs_server
__all__ = ["make_server", "make_world"]  # fixtures, by their names

OPTIONS = ", timeout: 1s, connect_timeout: 1s"
FAULT_S = 4
LONG_S = 30 if os.environ.get("DATAVAULT_LONG") else 6


def planned(**plan):
    """Every connection anew, with this plan."""
    def begin(proxy):
        proxy.plan = lambda _number: Plan(**plan)
        proxy.cut_all()
    return begin


def black_hole(proxy):
    proxy.fault = "black-hole"


def refuse(proxy):
    proxy.refuse = True
    proxy.cut_all()


def half_open(proxy):
    """Those that are there, and each new one when it has sent a little: the server's side ends, ours does not hear of it."""
    proxy.plan = lambda _number: Plan(direction="up", at=2500, how="half-close")
    proxy.cut_all("half-close")


# Name: how it begins, and how long it lasts.
FAULTS = {
    "delay": (planned(delay=0.05), FAULT_S),
    "throttle": (planned(rate=300_000), FAULT_S),
    "reset": (refuse, FAULT_S),
    "half-open": (half_open, FAULT_S),
    "truncate": (planned(direction="up", at=3000, how="close"), FAULT_S),
    "truncated answers": (planned(direction="down", at=700, how="reset"), FAULT_S),
    "black-hole": (black_hole, LONG_S),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_network_fails_and_heals(name, world, pg):
    begin, seconds = FAULTS[name]
    with FaultProxy(pg.port) as proxy:
        world.graph(FOLLOWED % OPTIONS)
        world.env["PG_URL"] = pg.url(port=proxy.port)
        process = world.start("run", "graph.yaml", env=world.env)
        world.ledger.issue(500)
        assert wait_for(lambda: stored(pg) == 500, 60)
        begin(proxy)
        world.ledger.issue(1500)
        time.sleep(seconds)
        proxy.fault, proxy.refuse, proxy.plan = None, False, lambda _number: Plan()
        healed = time.monotonic()
        assert wait_for(lambda: stored(pg) == 2000, 20)
        assert time.monotonic() - healed <= 10
        assert end(process)[0] == 0, process.log.read_bytes()
    check_each_once(world, pg)


def test_a_name_that_cannot_be_resolved_for_a_while(world, pg, tmp_path):
    port = free_port()
    world.ledger.issue(500)
    world.graph(FOLLOWED % OPTIONS, settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
    hosts = Hosts(tmp_path)
    url = pg.url(host="db.test", sslmode="disable")
    process = world.start("run", "graph.yaml", prefix=hosts.prefix, env={"PG_URL": url})
    assert wait_for(lambda: b"name cannot be resolved" in get(port, "/readyz")[1], 60), process.log.read_bytes()
    hosts.write("db.test")
    healed = time.monotonic()
    assert wait_for(lambda: stored(pg) == 500, 20)
    assert time.monotonic() - healed <= 10
    assert end(process)[0] == 0
    check_each_once(world, pg)


def certify(server, days):
    """A new certificate for the server's key; of 0 days it has run out a second later."""
    subprocess.run(["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                    str(days), "-extfile", "san", "-out", "new.pem"], check=True, cwd=server.at, capture_output=True)
    server.write("server.pem", (server.at / "new.pem").read_text())
    time.sleep(1.5 if days == 0 else 0)
    server.sql("SELECT pg_reload_conf()")
    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'datavault'")


def test_a_certificate_that_has_run_out_is_refused_until_it_is_renewed(world):
    port = free_port()
    with pg_server.PgServer(tls=True) as tls:
        world.graph(FOLLOWED % OPTIONS, settings=f"keyring: file:keys\nlisten: 127.0.0.1:{port}")
        world.env["PG_URL"] = tls.url(host="localhost", sslmode="verify-full", sslrootcert=tls.at / "ca.pem")
        migrate(world)
        process = world.start("run", "graph.yaml", env=world.env)
        world.ledger.issue(500)
        assert wait_for(lambda: stored(tls) == 500, 60)
        certify(tls, 0)
        world.ledger.issue(500)
        assert wait_for(lambda: b"certificate is not one to trust" in get(port, "/readyz")[1], 30)
        time.sleep(2)
        assert stored(tls) == 500
        certify(tls, 2)
        healed = time.monotonic()
        assert wait_for(lambda: stored(tls) == 1000, 20)
        assert time.monotonic() - healed <= 10
        assert end(process)[0] == 0
        check_each_once(world, tls)
        certify(tls, 0)
        assert b"certificate is not one to trust" in once(world, 3).stderr
