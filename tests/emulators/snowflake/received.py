# SPDX-License-Identifier: Apache-2.0
"""received.py - every byte that came to the emulator, in a file; of a long run the last ones, in two."""


class Received:
    """The file, and with `most` bytes the one before it, FILE.1: when both would have more, FILE.1 goes, FILE becomes it, and another begins."""

    def __init__(self, path):
        self.path, self.before, self.most = path, path.with_name(f"{path.name}.1"), None
        self.before.unlink(missing_ok=True)
        self.file = open(path, "wb")  # pylint: disable=consider-using-with

    def add(self, *pieces):
        """They stay together: what is longer than half of `most` has a file for itself."""
        length = sum(len(piece) + 1 for piece in pieces)
        if self.most is not None and self.file.tell() > 0 and self.file.tell() + length > self.most // 2:
            self.file.close()
            self.path.replace(self.before)
            self.file = open(self.path, "wb")  # pylint: disable=consider-using-with
        for piece in pieces:
            self.file.write(piece + b"\n")

    def read(self):
        self.file.flush()
        return (self.before.read_bytes() if self.before.exists() else b"") + self.path.read_bytes()

    def close(self):
        self.file.close()
