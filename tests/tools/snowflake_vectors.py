# SPDX-License-Identifier: Apache-2.0
"""snowflake_vectors.py - the tables of vectors in the emulated Snowflake, as docs/snowflake.md has them."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
WIDTH = 384


def make_tables(snow):
    """EMBEDDINGS, its view and ERASURES, by the statements of the document."""
    section = (ROOT / "docs" / "snowflake.md").read_text(encoding="utf-8").split("\n## Vectors and questions\n")[1]
    statements = re.search(r"```sql\n(.*?)```", section, re.DOTALL)[1].split(";")
    made = [statement for statement in statements if statement.strip().startswith("CREATE")]
    assert len(made) == 3
    for statement in made:
        snow.query(statement)
