#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tiny_gguf.py OUT.gguf [SEED] - writes a language model of 350 kB with random weights, so that a real server can be run by tests.

Llama's architecture with one block, and a vocabulary of bytes and ASCII letters. What it says has no sense; what it says
under a JSON schema is valid, and its vectors are the same for the same text.
"""
import array
import random
import struct
import sys

WIDTH, INNER, HEADS, CONTEXT = 64, 128, 4, 2048
U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
UNKNOWN, NORMAL, CONTROL, BYTE = 2, 1, 3, 6
ALIGNMENT = 32


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(name, kind, value):
    """One pair of the head."""
    if kind == STRING:
        return text(name) + struct.pack("<I", kind) + text(value)
    return text(name) + struct.pack("<I", kind) + struct.pack({U32: "<I", F32: "<f", BOOL: "<?"}[kind], value)


def entries(name, kind, values):
    """A list in the head."""
    packed = b"".join(text(value) if kind == STRING else struct.pack({F32: "<f", I32: "<i"}[kind], value) for value in values)
    return text(name) + struct.pack("<IIQ", ARRAY, kind, len(values)) + packed


def vocabulary():
    tokens = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    tokens += [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
    return tokens + [(letter, -float(rank), NORMAL) for rank, letter in enumerate("\u2581" + "".join(map(chr, range(33, 127))))]


def head(tokens):
    pairs = [entry("general.architecture", STRING, "llama"), entry("general.name", STRING, "tiny-random")]
    pairs += [entry(f"llama.{name}", U32, value) for name, value in (
        ("block_count", 1), ("context_length", CONTEXT), ("embedding_length", WIDTH), ("feed_forward_length", INNER),
        ("attention.head_count", HEADS), ("attention.head_count_kv", HEADS), ("rope.dimension_count", WIDTH // HEADS), ("vocab_size", len(tokens)))]
    pairs += [entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5), entry("general.file_type", U32, 0),
              entry("tokenizer.ggml.model", STRING, "llama"),
              entries("tokenizer.ggml.tokens", STRING, [token[0] for token in tokens]),
              entries("tokenizer.ggml.scores", F32, [token[1] for token in tokens]),
              entries("tokenizer.ggml.token_type", I32, [token[2] for token in tokens]),
              entry("tokenizer.ggml.bos_token_id", U32, 1), entry("tokenizer.ggml.eos_token_id", U32, 2),
              entry("tokenizer.ggml.unknown_token_id", U32, 0), entry("tokenizer.ggml.add_bos_token", BOOL, True)]
    return pairs


def tensors(count, draw):
    """[(name, sizes with the innermost first, values)]."""
    def drawn(name, *sizes):
        total = sizes[0] * sizes[1]
        return name + ".weight", sizes, array.array("f", (draw.gauss(0, 0.2) for _ in range(total)))

    def ones(name):
        return name + ".weight", (WIDTH,), array.array("f", [1.0] * WIDTH)
    return [drawn("token_embd", WIDTH, count), drawn("output", WIDTH, count), ones("output_norm"), ones("blk.0.attn_norm"), ones("blk.0.ffn_norm"),
            *(drawn(f"blk.0.attn_{name}", WIDTH, WIDTH) for name in ("q", "k", "v", "output")),
            drawn("blk.0.ffn_gate", WIDTH, INNER), drawn("blk.0.ffn_up", WIDTH, INNER), drawn("blk.0.ffn_down", INNER, WIDTH)]


def padded(data):
    return data + bytes(-len(data) % ALIGNMENT)


def write(path, seed=1):
    tokens = vocabulary()
    pairs, weights = head(tokens), tensors(len(tokens), random.Random(seed))
    data = struct.pack("<4sIQQ", b"GGUF", 3, len(weights), len(pairs)) + b"".join(pairs)
    offset, body = 0, b""
    for name, sizes, values in weights:
        data += text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, 0, offset)
        body += padded(values.tobytes())
        offset = len(body)
    with open(path, "wb") as out:
        out.write(padded(data) + body)


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
