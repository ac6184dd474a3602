# SPDX-License-Identifier: Apache-2.0
"""brought.py - DuckDB, sqlglot and snowduck, which tools/parts tests brings: where they are, and of snowduck the translation alone.

Its package itself would load Snowflake's whole client, which is neither there nor wanted; so it is entered without its front door.
"""
import logging
import pathlib
import sys
import types

PARTS = pathlib.Path(__file__).resolve().parents[3] / "parts" / "python"
if str(PARTS) not in sys.path:
    sys.path.append(str(PARTS))
if "snowduck" not in sys.modules:
    PACKAGE = types.ModuleType("snowduck")
    PACKAGE.__path__ = [str(PARTS / "snowduck")]
    sys.modules["snowduck"] = PACKAGE

import duckdb  # noqa: E402
import sqlglot  # noqa: E402
from snowduck.dialect import Dialect, DialectContext  # noqa: E402
from snowduck.info_schema import InfoSchemaManager  # noqa: E402
from sqlglot import exp  # noqa: E402

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of each statement that it only passes through

__all__ = ["Dialect", "DialectContext", "InfoSchemaManager", "duckdb", "exp", "sqlglot"]
