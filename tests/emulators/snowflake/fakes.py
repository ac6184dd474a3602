# SPDX-License-Identifier: Apache-2.0
"""fakes.py - models that always say the same: an embedding of a text's words, so that texts with words in common are near, and a count of tokens."""
import hashlib
import math
import re

# sheet C: which models AI_EMBED has, and how long their vectors; inference:embed has four of them
EMBEDDERS = {"snowflake-arctic-embed-l-v2.0": 1024, "snowflake-arctic-embed-l-v2.0-8k": 1024, "nv-embed-qa-4": 1024, "multilingual-e5-large": 1024,
             "voyage-multilingual-2": 1024, "snowflake-arctic-embed-m": 768, "snowflake-arctic-embed-m-v1.5": 768, "e5-base-v2": 768}
REST_EMBEDDERS = {"snowflake-arctic-embed-m", "snowflake-arctic-embed-m-v1.5", "e5-base-v2", "snowflake-arctic-embed-l-v2.0"}
LEGACY_SIZES = {"EMBED_TEXT_768": 768, "EMBED_TEXT_1024": 1024}
CHAT_MODELS = {"claude-sonnet-4-5", "gemini-3.1-pro", "llama3.1-70b", "mistral-large2", "openai-gpt-4.1"}
SQL_CHAT_MODELS = CHAT_MODELS


def words(text):
    """The words of a text, and one that every text has: no vector is of length 0."""
    return [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word] + [""]


def embed(text, model, size=None):
    """How often the words of each bucket stand in a text, of length 1. The statement's DV_EMBED() is the same for ASCII."""
    size = size or EMBEDDERS[model]
    values = [0.0] * size
    for word in words(text):
        values[int(hashlib.md5(f"{model}:{word}".encode()).hexdigest()[:7], 16) % size] += 1.0
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def cosine(one, other):
    """True cosine similarity."""
    length = math.sqrt(sum(value * value for value in one) * sum(value * value for value in other))
    return sum(a * b for a, b in zip(one, other)) / length


def tokens(text):
    return len(text.encode()) // 4 + 1


def instance(schema):
    """The smallest value of a JSON schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        members = schema.get("properties", {})
        return {name: instance(members[name]) for name in schema.get("required", members)}
    return {"array": [], "string": "ä", "integer": int(schema.get("minimum", 0)), "number": 0.5, "boolean": True}[kind]
