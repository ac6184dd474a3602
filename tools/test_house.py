# SPDX-License-Identifier: Apache-2.0
"""test_house.py - the rules of the house on a small tree that breaks each of them once.

shows: DEV-6
"""
import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import csource  # noqa: E402
import tidy  # noqa: E402

SPDX = "/* SPDX-License-Identifier: Apache-2.0\n * {} - a file for a test. */\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """tree({"path": "text"}) puts files where the rules look; C files get their head by themselves."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for module in (csource, tidy):
        monkeypatch.setattr(module, "ROOT", str(tmp_path))
    caches = (csource.files, csource.read, csource.source)

    def make(contents):
        for path, text in {"tests/meson.build": "unit_tests = []\n", "operators/meson.build": "operator_words = []\n", **contents}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            head = SPDX.format(path.rsplit("/", 1)[-1]) if path.endswith((".c", ".h")) and "SPDX" not in text else ""
            (tmp_path / path).write_text(head + text, encoding="utf-8")
        for cache in caches:
            cache.cache_clear()

    yield make
    for cache in caches:
        cache.cache_clear()


def script(name):
    """A script of tools/ without an ending, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(HERE / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


GOOD = "static int f(void)\n{\n    return 0;\n}\n"
BROKEN = {
    "no-spdx": ("headers", {"engine/a.c": "/* SPDX-wrong\n * a.c - x */\n" + GOOD}),
    "no-purpose": ("headers", {"engine/a.c": "/* SPDX-License-Identifier: Apache-2.0\n * something else */\n" + GOOD}),
    "script-without-head": ("headers", {"tools/x": "#!/bin/sh\necho\n"}),
    "long-function": ("lengths", {"engine/a.c": "int f(void)\n{\n" + "    f();\n" * 69 + "}\n"}),
    "long-file": ("lengths", {"engine/a.c": GOOD * 126}),
    "malloc": ("forbidden_calls", {"vault/a.c": "void f(void)\n{\n    g(malloc(3));\n}\n"}),
    "free": ("forbidden_calls", {"vault/a.c": "void f(void)\n{\n    free(x);\n}\n"}),
    "printf": ("forbidden_calls", {"privacy/a.c": "void f(void)\n{\n    printf(\"x\");\n}\n"}),
    "jump": ("forbidden_calls", {"engine/a.c": "void f(void)\n{\nx:\n    goto x;\n}\n"}),
    "wrong-arrow": ("layering", {"engine/a.c": "#include \"vault/b.h\"\n", "vault/b.h": "\n"}),
    "sideways": ("layering", {"privacy/a.c": "#include \"vault/b.h\"\n", "vault/b.h": "\n"}),
    "inside-of-the-engine": ("layering", {"operators/a.c": "#include \"engine/node.h\"\n", "engine/node.h": "\n"}),
    "no-room": ("layering", {"engine/a.c": "#include \"b.h\"\n", "engine/b.h": "\n"}),
    "one-name-twice": ("names", {"privacy/a.c": "int dv_a(void)\n{\n    return 1;\n}\n", "operators/b.c": "int dv_a(void)\n{\n    return 2;\n}\n"}),
    "made-reason": ("rejects", {"operators/a.c": "void f(void)\n{\n    dv_reject_row(n, b, 0, rc, text(x));\n}\n"}),
    "reason-from-a-value": ("rejects", {"operators/a.c": "void f(void)\n{\n    reason = cell->text;\n    dv_reject_row(n, b, 0, rc, reason);\n}\n"}),
    "unfinished": ("words", {"engine/a.c": "/* TO" + "DO: more */\n"}),
    "one-machine": ("words", {"docs/a.md": "see /wo" + "rk/x\n"}),
    "registry": ("words", {"docs/a.md": "from py" + "pi.org\n"}),
    "unlisted-unit-test": ("tests_listed", {"tests/unit/test_engine_x.c": GOOD}),
    "unlisted-fuzz-target": ("tests_listed", {"tests/fuzz/fuzz_x.c": GOOD}),
    "operator-without-scenario": ("tests_listed", {"operators/meson.build": "operator_words = ['mask_out']\n", "tests/golden/mask-out/a.yaml": "x\n"}),
    "cites-nothing": ("tests_cite", {"tests/unit/test_engine_x.c": GOOD}),
}


@pytest.mark.parametrize("label, said", [("a.b", None), ("c.d", "engine/a.c:3: 'c.d' stands at engine/a.c:1, too"), ("x", "'x' is no literal"),
                                         ("A.b", "'A.b' is no literal")])
def test_a_crash_point_has_a_label_of_its_own(label, said):
    wrong = list(script("crash_points").findings([("c.d", "engine/a.c:1"), (label, "engine/a.c:3")]))
    assert wrong == [] if said is None else len(wrong) == 1 and said in wrong[0]


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_found(tree, case):
    rule, contents = BROKEN[case]
    tree(contents)
    assert list(tidy.RULES[rule]())


def test_a_good_tree_has_no_findings(tree):
    tree({
        "engine/a.h": "/* Says one. */\nint dv_a(void);\n",
        "engine/a.c": "#include \"engine/a.h\"\n\n/* malloc() and printf() in a comment, \"goto\" too */\nint dv_a(void)\n{\n    return f(\"free(x) goto\");\n}\n",
        "privacy/a.c": "static int dv_a(void)\n{\n    return 1;\n}\n",
        "operators/mask.c": "#include \"engine/a.h\"\n\nvoid f(void)\n{\n    const char *reason = x ? \"too long\" : \"cut off\";\n"
                            "    dv_reject_row(n, b, 0, rc, reason);\n    dv_reject(n, b, 0, rc, \"literal\");\n}\n",
        "operators/meson.build": "operator_words = ['mask']\n", "tests/golden/mask/a.yaml": "x\n", "tests/golden/mask/a.out": "x\n",
        "tests/meson.build": "unit_tests = ['engine_a']\nfuzz_targets = { 'a': 'engine' }\n",
        "tests/unit/test_engine_a.c": "/* shows: MIS-1 */\n", "tests/fuzz/fuzz_a.c": "\n", "tests/fuzz/corpus/a/seed": "x",
    })
    rules = ("lengths", "forbidden_calls", "layering", "names", "rejects", "words", "tests_listed", "tests_cite")
    assert [text for rule in rules for text in tidy.RULES[rule]()] == []


def test_functions_are_found_with_their_lines(tree):
    tree({"engine/a.c": """
#define CALL(x) \\
    do { f(x); } while (0)

static const struct s table[] = {
    { "f(x) {", f },
};

enum e { A, B };

static int one(int a,
               const char *b)
{
    DV_ASSERT(a > 0);
    if (a) {
        return 1;
    }
    return 0;
}

__attribute__((noreturn)) void two(void)
{
}
"""})
    found = csource.source("engine/a.c").functions
    assert [(function.name, function.lines, function.asserts, function.static, function.parameter_count()) for function in found] == [
        ("one", 9, 1, True, 2), ("two", 3, 0, False, 0)]


def test_a_prototype_without_a_comment_is_found(tree):
    tree({"engine/a.h": "/* Does. */\nint dv_one(void);\nint dv_same_group(void);\n\nint dv_two(int a);\n\n"
                        "/* Also. */\nstatic inline int dv_three(void)\n{\n    return dv_one();\n}\n"})
    assert [(name, said) for _, name, said in csource.prototypes(csource.source("engine/a.h"))] == [
        ("dv_one", True), ("dv_same_group", True), ("dv_two", False), ("dv_three", True)]


def test_ids_are_read_over_lines(tree, monkeypatch):
    tree({"tests/unit/test_engine_a.c": "/* test_engine_a.c - x\n * shows: MIS-1 ING-7\n *        ENC-2 */\n"})
    assert sorted(script("traceability").citations()) == ["ENC-2", "ING-7", "MIS-1"]
