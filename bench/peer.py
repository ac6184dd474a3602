# SPDX-License-Identifier: Apache-2.0
"""peer.py REDIS_PORT PG_URL N - W3 as a good team would write it in Python: one process, batches, COPY, one pipelined XACK.

It reads its own pending entries first, then N entries in all, and acknowledges after the commit. N = 0: until it is ended.
"""
import os
import sys

import orjson
import psycopg
import redis
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import t1

BATCH = 1000


def entries(streams, wanted):
    """Lists of (id, fields): those of an earlier run that were not acknowledged, then new ones."""
    count = 0
    for start in ("0", ">"):
        while wanted == 0 or count < wanted:
            got = streams.xreadgroup("g", "peer", {"recs": start}, count=BATCH, block=1000)
            page = got[0][1] if got else []
            if not page and start == "0":
                break
            count += len(page)
            if page:
                yield page


def main():
    streams = redis.Redis(port=int(sys.argv[1]))
    seal = AESGCM(t1.AES_KEY)
    try:
        streams.xgroup_create("recs", "g", id="0", mkstream=True)
    except redis.ResponseError:
        pass
    with psycopg.connect(sys.argv[2]) as store:
        for page in entries(streams, int(sys.argv[3])):
            with store.cursor() as cursor, cursor.copy("COPY peer (sid, pid, payload) FROM STDIN") as rows:
                for entry, fields in page:
                    record = t1.t1(orjson.loads(fields[b"d"]))
                    nonce = os.urandom(12)
                    sealed = nonce + seal.encrypt(nonce, orjson.dumps(record), None)
                    rows.write_row((entry.decode(), record["patient_id"], sealed))
            store.commit()
            streams.xack("recs", "g", *[entry for entry, _ in page])


if __name__ == "__main__":
    main()
