#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""own_hosts.py - a process that reads a file of hosts of the test's own: names resolve, or not, while it runs.

The file lies over /etc/hosts in a mount namespace, and no name server is asked. Root may do that; anybody else does it in
a user namespace.
"""
import pathlib
import subprocess

OVERLAY = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'


class Hosts:
    """`prefix` goes before the command."""

    def __init__(self, folder):
        self.file, self.servers = pathlib.Path(folder) / "hosts", pathlib.Path(folder) / "resolv.conf"
        self.servers.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        self.write()
        self.prefix = self.find_prefix()

    def find_prefix(self):
        said = []
        for unshare in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
            prefix = [*unshare, "sh", "-c", OVERLAY, "sh", str(self.file), str(self.servers)]
            done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
            if done.returncode == 0:
                return prefix
            said.append(done.stderr.decode())
        raise AssertionError(f"this test needs a mount namespace: run it as root, or let users have namespaces: {said}")

    def write(self, *names):
        """Only these names are known, beside localhost; always the same file, or the namespace would not see it."""
        lines = [f"127.0.0.1 {name}\n" for name in ("localhost", *names)]
        with open(self.file, "w", encoding="utf-8") as file:
            file.writelines(lines)
