#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""llama_serve.py MODEL PORT [embeddings] [KEY] - a real server of language models, llama.cpp's, from parts/python, until it is killed."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "parts" / "python"))
import xllamacpp  # noqa: E402


def main():
    options = xllamacpp.CommonParams()
    options.model.path, options.hostnames, options.port = sys.argv[1], ["127.0.0.1"], int(sys.argv[2])
    options.n_ctx, options.n_parallel, options.n_gpu_layers = 2048, 1, 0
    options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
    if "embeddings" in sys.argv[3:]:
        options.embedding = True
        options.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    keys = [word for word in sys.argv[3:] if word != "embeddings"]
    if keys:
        options.api_keys = keys
    server = xllamacpp.Server(options)
    while server:
        time.sleep(3600)


if __name__ == "__main__":
    main()
