# SPDX-License-Identifier: Apache-2.0
"""dialect.py - Snowflake's SQL made into DuckDB's: snowduck does most of it, and what it does not or wrongly does is done before.

Wrong in snowduck 0.3.0 and done here: vectors (its similarity is the distance, its casts fail), FLATTEN (memory grows with the square of
the rows), paths into a VARIANT (always text), PRIMARY KEY (DuckDB enforces it; Snowflake does not), lengths of texts (nobody enforces them).
"""
from .brought import exp, sqlglot
from .fakes import EMBEDDERS, LEGACY_SIZES, SQL_CHAT_MODELS
from .refused import SqlError

BIND = "DV_BIND"
SCALARS = exp.DataType.TEXT_TYPES | exp.DataType.NUMERIC_TYPES | exp.DataType.TEMPORAL_TYPES | {exp.DataType.Type.BOOLEAN, exp.DataType.Type.BINARY}
SEMI = {exp.DataType.Type.VARIANT, exp.DataType.Type.ARRAY, exp.DataType.Type.OBJECT, exp.DataType.Type.JSON}
TRANSACTIONS = (exp.Use, exp.Transaction, exp.Commit, exp.Rollback)
MACROS = [
    "DV_COSINE(a, b) AS array_inner_product(a, b) / sqrt(array_inner_product(a, a) * array_inner_product(b, b))",
    "DV_L1(a, b) AS list_sum(list_transform(list_zip(a::FLOAT[], b::FLOAT[]), lambda p: abs(p[1] - p[2])))",
    # what a VARIANT becomes where a text, a number or a time is wanted, and the other way round
    "DV_TEXT(x) AS CASE WHEN typeof(x) = 'JSON' THEN json_extract_string(x::VARCHAR::JSON, '$') ELSE x::VARCHAR END",
    "DV_JSON(x) AS CASE WHEN typeof(x) = 'JSON' THEN x::VARCHAR::JSON ELSE to_json(x) END",
    "DV_VECTOR(x) AS CASE WHEN typeof(x) LIKE '%[%]' THEN x ELSE error('002023|22000|Expression type does not match column data type, "
    "expecting VECTOR') END",
    # the embedding of fakes.py, word for word
    "DV_WORDS(t) AS list_concat(list_filter(string_split_regex(lower(t), '[^[:alnum:]]+'), lambda w: w <> ''), [''])",
    "DV_BUCKETS(t, m, n) AS list_transform(range(n), lambda i: len(list_filter(DV_WORDS(t), lambda w: "
    "('0x' || substr(md5(m || ':' || w), 1, 7))::BIGINT % n = i))::DOUBLE)",
    "DV_EMBED(t, m, n) AS list_transform(list_transform([DV_BUCKETS(t, m, n)], lambda b: {'b': b, 'n': sqrt(list_inner_product(b, b))}), "
    "lambda s: list_transform(s.b, lambda x: (x / s.n)::FLOAT))[1]",
]


def statements(text):
    """The statements of a text, their question marks counted: [(tree, text)]."""
    try:
        tokens = sqlglot.tokenize(text, read="snowflake")
        marks = [token for token in tokens if token.token_type == sqlglot.TokenType.PLACEHOLDER]
        for number, token in reversed(list(enumerate(marks, 1))):
            text = f"{text[:token.start]}{BIND}({number}){text[token.end + 1:]}"
        trees = [tree for tree in sqlglot.parse(text, read="snowflake") if tree is not None and not isinstance(tree, exp.Semicolon)]
    except sqlglot.errors.SqlglotError as error:
        raise SqlError("001003", "42000", f"SQL compilation error:\nsyntax error {str(error)[:200]}") from None
    if not trees:
        raise SqlError("000900", "42601", "Empty SQL statement.")
    return trees, len(marks)


def call(name, *arguments):
    return exp.Anonymous(this=name, expressions=list(arguments))


def number_of_bind(node):
    """Which bind variable a node is, or was before it was rewritten, or None."""
    if isinstance(node, exp.Anonymous) and node.name in (BIND, "getvariable"):
        return int(node.expressions[0].name.removeprefix("dv_"))
    if isinstance(node, exp.Placeholder) and str(node.this or "").isdigit():
        return int(node.this)
    return None


def constant(node, binds):
    """A literal's or a bind's text; None if it is a column or the like."""
    number = number_of_bind(node)
    if number is not None:
        return binds[number - 1]
    return node.name if isinstance(node, exp.Literal) else None


class Rewriter:
    """One statement: rewrite() gives the tree that snowduck translates next. columns(table) -> {name: DuckDB's type}."""

    def __init__(self, binds, columns, list_max):
        self.binds, self.columns, self.list_max = binds, columns, list_max

    def rewrite(self, tree):
        self.check(tree)
        self.exact(tree)
        if isinstance(tree, exp.Create) and tree.kind == "TABLE":
            self.create_table(tree)
        elif isinstance(tree, exp.Insert):
            self.insert(tree)
        elif isinstance(tree, exp.Merge):
            self.merge(tree)
        for node in reversed(list(tree.dfs())):  # from the leaves up
            made = self.node(node)
            if made is not node and node is not tree:
                node.replace(made)
        return tree

    def exact(self, tree):
        """Names in quotation marks are told apart by case; DuckDB would not."""
        def said(node):
            return node.name if node.args.get("quoted") else node.name.upper()
        known = {said(node.args["alias"]) for node in tree.find_all(exp.Alias) if isinstance(node.args["alias"], exp.Identifier)}
        for table in tree.find_all(exp.Table):
            known |= set(self.columns(table))
        upper = {name.upper() for name in known}
        for column in tree.find_all(exp.Column):
            if isinstance(column.this, exp.Identifier) and column.this.args.get("quoted") and column.name not in known and column.name.upper() in upper:
                raise SqlError("000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier '\"{column.name}\"'")

    def check(self, tree):
        for node in tree.find_all(exp.Values, exp.In, exp.Array):
            if len(node.expressions) > self.list_max:
                raise SqlError("001795", "42601", f"SQL compilation error: maximum number of expressions in a list exceeded, expected at most {self.list_max:,}, "
                               f"got {len(node.expressions):,}")
        for values in tree.find_all(exp.Values):
            if values.find(exp.ParseJSON, exp.Select):
                raise SqlError("002014", "22000", "SQL compilation error:\nInvalid expression in VALUES clause")
        for kind in tree.find_all(exp.DataType):
            if kind.this == exp.DataType.Type.VECTOR:
                self.vector_type(kind)

    # ---- types ----

    @staticmethod
    def vector_type(kind):
        size = int(kind.expressions[-1].name) if len(kind.expressions) == 2 and kind.expressions[-1].name.isdigit() else 0
        if not 1 <= size <= 4096:
            raise SqlError("001007", "22023", "SQL compilation error:\ninvalid dimension of VECTOR, it must be between 1 and 4096")
        element = "INTEGER" if kind.expressions[0].this in exp.DataType.INTEGER_TYPES else "FLOAT"
        return exp.DataType.build(f"{element}[{size}]", dialect="duckdb")

    def node(self, node):
        """The rules that hold wherever a node stands."""
        number = number_of_bind(node)
        if number is not None and node.name != "getvariable":
            return call("getvariable", exp.Literal.string(f"dv_{number}"))
        name = {exp.CosineDistance: "DV_COSINE", exp.EuclideanDistance: "array_distance", exp.ManhattanDistance: "DV_L1",
                exp.DotProduct: "array_inner_product"}.get(type(node))
        if name:
            return call(name, node.this, node.expression)
        if isinstance(node, exp.JSONExtract) and node.args.get("variant_extract"):
            return self.path(node)
        if isinstance(node, (exp.TableFromRows, exp.Lateral)):
            return self.flatten(node)
        if isinstance(node, (exp.Cast, exp.TryCast)):
            return self.cast(node)
        if isinstance(node, exp.ToArray):
            return call("DV_JSON", node.this)
        return self.function(node)

    @staticmethod
    def path(node):
        """x:a.b is a VARIANT; compared or computed with, it is a text."""
        semi = isinstance(node.parent, (exp.Select, exp.Alias, exp.Anonymous, exp.Cast, exp.TryCast, exp.Tuple, exp.JSONExtract, exp.ParseJSON))
        return call("json_extract" if semi else "json_extract_string", node.this, exp.Literal.string(node.expression.sql("duckdb").strip("'")))

    @staticmethod
    def flatten(node):
        explode = node.this
        if not isinstance(explode, exp.Explode):
            return node
        subject = explode.this.expression if isinstance(explode.this, exp.Kwarg) else explode.this
        alias = node.args.get("alias")
        name = alias.this if alias and alias.this else exp.to_identifier("_FLATTENED")
        source = call("json_each", subject)
        return exp.Table(this=source, alias=exp.TableAlias(this=name, columns=[exp.to_identifier(column) for column in (
            "KEY", "VALUE", "KIND", "ATOM", "INDEX", "PARENT", "PATH", "THIS")]))

    def cast(self, node):
        kind = node.to
        if kind.this == exp.DataType.Type.VECTOR:
            inner = node.this
            while isinstance(inner, (exp.Cast, exp.Paren)) and (isinstance(inner, exp.Paren) or inner.to.this in SEMI):
                inner = inner.this
            return exp.Cast(this=inner, to=self.vector_type(kind))
        if kind.this in SEMI:
            return call("DV_JSON", node.this)
        if kind.this in SCALARS and self.may_be_variant(node.this):
            node.set("this", call("DV_TEXT", node.this))
        return node

    @staticmethod
    def may_be_variant(node):
        return isinstance(node, (exp.ParseJSON, exp.Bracket, exp.Column)) or isinstance(node, exp.Anonymous) and node.name == "json_extract"

    # ---- Cortex in SQL ----

    def function(self, node):
        if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Anonymous) and node.this.sql().upper() == "SNOWFLAKE.CORTEX":
            name = node.expression.name.upper()
            name = {"COMPLETE": "AI_COMPLETE"}.get(name, name)
            return self.older(name, node.expression.expressions) or self.cortex(name, node.expression.expressions) or node
        if isinstance(node, exp.AIEmbed) or isinstance(node, exp.Anonymous) and not isinstance(node.parent, exp.Dot):
            name = "AI_EMBED" if isinstance(node, exp.AIEmbed) else node.name.upper()
            return self.cortex(name, [self.value_of(argument) for argument in node.expressions]) or node
        if isinstance(node, exp.AISummarizeAgg):
            return call("left", call("string_agg", node.this, exp.Literal.string(" ")), exp.Literal.number(200))
        return node

    @staticmethod
    def value_of(argument):
        return argument.expression if isinstance(argument, exp.Kwarg) else argument

    def cortex(self, name, arguments):
        if name == "AI_EMBED" and len(arguments) == 2:
            return self.embedding(arguments, EMBEDDERS)
        if name == "AI_COMPLETE" and len(arguments) >= 2:
            self.model(arguments[0], SQL_CHAT_MODELS)
            return call("DV_TEXT", arguments[1])
        return None

    def older(self, name, arguments):
        """What there is only as SNOWFLAKE.CORTEX.name()."""
        if name in LEGACY_SIZES and len(arguments) == 2:
            return self.embedding(arguments, {model: size for model, size in EMBEDDERS.items() if size == LEGACY_SIZES[name]})
        if name == "SUMMARIZE" and len(arguments) == 1:
            return call("left", call("DV_TEXT", arguments[0]), exp.Literal.number(200))
        return None

    def model(self, node, known):
        name = constant(node, self.binds)
        if name not in known:
            raise SqlError("100351", "P0000", f"Request failed for external function: unknown model {name!r}, or it is unavailable in your region.")
        return name

    def embedding(self, arguments, sizes):
        name = self.model(arguments[0], sizes)
        vector = call("DV_EMBED", call("DV_TEXT", arguments[1]), exp.Literal.string(name), exp.Literal.number(sizes[name]))
        return exp.Cast(this=vector, to=exp.DataType.build(f"FLOAT[{sizes[name]}]", dialect="duckdb"))

    # ---- whole statements ----

    def create_table(self, tree):
        """No key is enforced, every length is."""
        tree.set("properties", None)
        schema = tree.this
        if not isinstance(schema, exp.Schema):
            return
        schema.set("expressions", [part for part in schema.expressions if isinstance(part, exp.ColumnDef)])
        for column in schema.expressions:
            keep = [constraint for constraint in column.args.get("constraints") or []
                    if isinstance(constraint.kind, (exp.NotNullColumnConstraint, exp.DefaultColumnConstraint))]
            kind = column.args["kind"]
            if kind.this == exp.DataType.Type.VECTOR:
                column.set("kind", self.vector_type(kind))
            elif kind.this in exp.DataType.TEXT_TYPES and kind.expressions:
                check = exp.LTE(this=exp.Length(this=exp.column(column.this.copy())), expression=exp.Literal.number(kind.expressions[0].name))
                keep.append(exp.ColumnConstraint(kind=exp.CheckColumnConstraint(this=check)))
            column.set("constraints", keep)

    @staticmethod
    def coerced(node, kind):
        """What becomes of an expression in a column of that type."""
        if kind == "JSON":
            return call("DV_JSON", node)
        if "[" in kind:
            return call("DV_VECTOR", node)
        text = call("DV_TEXT", node)
        return text if kind == "VARCHAR" else exp.Cast(this=text, to=exp.DataType.build(kind, dialect="duckdb"))

    def insert(self, tree):
        source = tree.expression
        target = tree.this
        columns = self.columns(target.this if isinstance(target, exp.Schema) else target)
        names = [part.name.upper() if not part.args.get("quoted") else part.name for part in target.expressions] if isinstance(target, exp.Schema) else [*columns]
        if not columns or not isinstance(source, (exp.Select, exp.SetOperation)) or any(name not in columns for name in names):
            return  # DuckDB says what is wrong
        if len(source.selects) != len(names) and not any(part.find(exp.Star) for part in source.selects):
            raise SqlError("002020", "21S01", "SQL compilation error:\nInsert value list does not match column list")
        made = [exp.to_identifier(f"DV_{number}") for number in range(len(names))]
        parts = [self.coerced(exp.column(name.copy(), table="DV_S"), columns[column]) for name, column in zip(made, names)]
        inner = exp.Subquery(this=source, alias=exp.TableAlias(this=exp.to_identifier("DV_S"), columns=made))
        tree.set("expression", exp.select(*parts).from_(inner))

    def merge(self, tree):
        columns = self.columns(tree.this)
        alias = tree.this.alias_or_name.upper()
        for test in tree.args["on"].find_all(exp.EQ):
            sides = [test.this, test.expression]
            mine = next((side for side in sides if isinstance(side, exp.Column) and side.table.upper() == alias and side.name.upper() in columns), None)
            if mine is not None:
                other = "expression" if mine is sides[0] else "this"
                test.set(other, self.coerced(test.args[other], columns[mine.name.upper()]))
        for when in tree.args["whens"].expressions:
            then = when.args["then"]
            if isinstance(then, exp.Insert) and isinstance(then.expression, exp.Tuple):
                names = [part.name.upper() for part in then.this.expressions] if then.this else [*columns]
                then.expression.set("expressions", [self.coerced(value, columns.get(name, "VARCHAR"))
                                                    for value, name in zip(then.expression.expressions, names)])
            elif isinstance(then, exp.Update):
                for pair in then.expressions:
                    pair.set("expression", self.coerced(pair.expression, columns.get(pair.this.name.upper(), "VARCHAR")))
