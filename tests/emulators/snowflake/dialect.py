# SPDX-License-Identifier: Apache-2.0
"""dialect.py - Snowflake's SQL made into DuckDB's: snowduck does most of it, and what it does not or wrongly does is done before.

Wrong in snowduck 0.3.0 and done here: vectors (its similarity is the distance, its casts fail), FLATTEN (memory grows with the square of
the rows), paths into a VARIANT (always text), PRIMARY KEY (DuckDB enforces it; Snowflake does not), lengths of texts (nobody enforces them).
"""
import functools

from . import kinds
from .brought import exp, sqlglot
from .catalog import Catalog, said
from .fakes import EMBEDDERS, LEGACY_SIZES
from .refused import SqlError

BIND, CHAIN = "DV_BIND", "->>"
SCALARS = exp.DataType.TEXT_TYPES | exp.DataType.NUMERIC_TYPES | exp.DataType.TEMPORAL_TYPES | {exp.DataType.Type.BOOLEAN, exp.DataType.Type.BINARY}
SEMI = {exp.DataType.Type.VARIANT, exp.DataType.Type.ARRAY, exp.DataType.Type.OBJECT, exp.DataType.Type.JSON}
WITHOUT_SCALE = {exp.DataType.Type.TIMESTAMPLTZ, exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIME}  # DuckDB has none for them
ABOUT_SESSION = {"CurrentUser": "user", "CurrentRole": "role", "CurrentWarehouse": "warehouse", "CurrentDatabase": "database", "CurrentSchema": "schema"}
TRANSACTIONS = (exp.Use, exp.Transaction, exp.Commit, exp.Rollback)
MACROS = [
    "DV_COSINE(a, b) AS array_cosine_similarity(a, b)",
    "DV_L1(a, b) AS list_sum(list_transform(list_zip(a::FLOAT[], b::FLOAT[]), lambda p: abs(p[1] - p[2])))",
    # what a VARIANT becomes where a text, a number or a time is wanted, and the other way round
    "DV_TEXT(x) AS CASE WHEN typeof(x) = 'JSON' THEN json_extract_string(x::VARCHAR::JSON, '$') ELSE x::VARCHAR END",
    "DV_JSON(x) AS CASE WHEN typeof(x) = 'JSON' THEN x::VARCHAR::JSON ELSE to_json(x) END",
    "DV_KIND(x) AS CASE coalesce(json_type(DV_JSON(x)), 'NULL') WHEN 'UBIGINT' THEN 'INTEGER' WHEN 'BIGINT' THEN 'INTEGER' WHEN 'NULL' THEN 'NULL_VALUE' "
    "ELSE json_type(DV_JSON(x)) END",
    # what is said of a value x, as text t, that does not become a FIXED, a REAL, ...
    "DV_FAILED(x, t, k) AS error(CASE WHEN k = 'FIXED' AND TRY_CAST(t AS DOUBLE) IS NOT NULL THEN CASE WHEN typeof(x) = 'JSON' "
    "THEN '100046|22003|Number out of representable range: type FIXED, value ' || t ELSE '100039|22003|Numeric value ''' || t || ''' is out of range' END "
    "WHEN typeof(x) = 'JSON' THEN '100071|22000|Failed to cast variant value ' || x::VARCHAR || ' to ' || k "
    "WHEN k = 'BOOLEAN' THEN '100037|22018|Boolean value ''' || t || ''' is not recognized' "
    "WHEN k = 'DATE' THEN '100040|22007|Date ''' || t || ''' is not recognized' "
    "WHEN k = 'TIME' THEN '100108|22007|Time ''' || t || ''' is not recognized' "
    "WHEN k LIKE 'TIMESTAMP%' THEN '100035|22007|Timestamp ''' || t || ''' is not recognized' "
    "ELSE '100038|22018|Numeric value ''' || t || ''' is not recognized' END)",
    "DV_SHORT(t, n) AS CASE WHEN length(t) <= n OR t IS NULL THEN t ELSE error('100078|22000|String ''' || t || ''' is too long and would be truncated') END",
    "DV_VECTOR(x) AS CASE WHEN x IS NULL OR typeof(x) LIKE '%[%]' THEN x ELSE error('002023|22000|Expression type does not match column data type, "
    "expecting VECTOR') END",
    # an array's elements by their numbers from 0, an object's by their keys
    "DV_FLATTEN(x) AS TABLE SELECT CASE WHEN fullkey[2] <> '[' THEN key END AS KEY, value AS VALUE, CASE WHEN fullkey[2] = '[' THEN key::BIGINT END AS INDEX, "
    "path AS PATH FROM json_each(x)",
    # the embedding of fakes.py, word for word
    "DV_WORDS(t) AS list_concat(list_filter(string_split_regex(lower(t), '[^[:alnum:]]+'), lambda w: w <> ''), [''])",
    "DV_BUCKETS(t, m, n) AS list_transform(range(n), lambda i: len(list_filter(DV_WORDS(t), lambda w: "
    "('0x' || substr(md5(m || ':' || w), 1, 7))::BIGINT % n = i))::DOUBLE)",
    "DV_EMBED(t, m, n) AS list_transform(list_transform([DV_BUCKETS(t, m, n)], lambda b: {'b': b, 'n': sqrt(list_inner_product(b, b))}), "
    "lambda s: list_transform(s.b, lambda x: (x / s.n)::FLOAT))[1]",
]


@functools.lru_cache(maxsize=256)  # nobody changes a tree; a client says the same again and again
def statements(text):
    """(the statements of a text, how many question marks it has); a statement is (its tree, its own text)."""
    try:
        tokens = sqlglot.tokenize(text, read="snowflake")
        marks = [token for token in tokens if token.token_type == sqlglot.TokenType.PLACEHOLDER]
        for number, token in reversed(list(enumerate(marks, 1))):
            text = f"{text[:token.start]}{BIND}({number}){text[token.end + 1:]}"
        trees = [(tree, piece) for piece in pieces(text) for tree in parsed(piece) if tree is not None and not isinstance(tree, exp.Semicolon)]
    except sqlglot.errors.SqlglotError as error:
        raise SqlError("001003", "42000", f"SQL compilation error:\nsyntax error {str(error)[:200]}") from None
    if not trees:
        raise SqlError("000900", "42601", "Empty SQL statement.")
    return trees, len(marks)


def parsed(piece):
    """A piece's trees; what sqlglot cannot read and is read elsewhere is a command."""
    tokens = sqlglot.tokenize(piece, read="snowflake")
    if any(token.text == CHAIN and token.token_type != sqlglot.TokenType.STRING for token in tokens):
        return [exp.Command(this=CHAIN, expression=exp.Literal.string(piece))]
    if [token.text.upper() for token in tokens[1:2]] == ["PIPE"] and tokens[0].text.upper() in ("DESC", "DESCRIBE"):
        return [exp.Command(this="DESCRIBE", expression=exp.Literal.string(piece))]
    return sqlglot.parse(piece, read="snowflake")


def pieces(text):
    """The texts between semicolons."""
    ends = [token.start for token in sqlglot.tokenize(text, read="snowflake") if token.token_type == sqlglot.TokenType.SEMICOLON]
    return [text[start:end] for start, end in zip([0, *(end + 1 for end in ends)], [*ends, len(text)])]


def call(name, *arguments):
    return exp.Anonymous(this=name, expressions=list(arguments))


def info_name(database, view):
    """Where listing.py puts the rows of an INFORMATION_SCHEMA's view."""
    return f"DV_INFO {database} {view}"


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
    """One statement: rewrite() gives the tree that snowduck translates next. columns(table) -> {name: (DuckDB's type, null?, longest text)}."""

    def __init__(self, binds, columns, list_max, session, models):
        self.binds, self.columns, self.list_max, self.session = binds, columns, list_max, session
        self.chat_models, self.embedders = models[0], {model: size for model, size in EMBEDDERS.items() if model in models[1]}

    def rewrite(self, tree):
        self.check(tree)
        self.exact(tree)
        if isinstance(tree, exp.Create) and tree.kind == "TABLE":
            self.create_table(tree)
        elif isinstance(tree, exp.Insert):
            self.insert(tree)
        elif isinstance(tree, exp.Update):
            self.update(tree)
        elif isinstance(tree, exp.Merge):
            self.merge(tree)
        self.placed(tree)
        for node in reversed(list(tree.dfs())):  # from the leaves up
            made = self.node(node)
            if made is not node and node is not tree:
                node.replace(made)
        return tree

    def placed(self, tree):
        """Every table by its full name, so that nothing is found in another place or in another case."""
        for table in list(tree.find_all(exp.Table)):
            if isinstance(table.this, exp.Anonymous) and table.this.name.upper() == "ERROR_TABLE":
                self.error_table(table)
        for table in Catalog.named(tree):
            database, schema, name = Catalog.place(table, self.session)
            if schema == "INFORMATION_SCHEMA":
                if not table.alias:
                    table.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
                database, schema, name = "memory", "main", info_name(database, name)
            for part, value in (("catalog", database), ("db", schema), ("this", name)):
                if value:
                    table.set(part, exp.to_identifier(value, quoted=True))

    @staticmethod
    def error_table(table):
        """ERROR_TABLE(t), a table function, is how a table's errors are read."""
        named = exp.to_table(table.this.expressions[0].sql("snowflake"), dialect="snowflake")
        table.set("this", exp.to_identifier(f"{said(named.this)}__ERRORS", quoted=True))
        table.set("db", named.args.get("db"))
        table.set("catalog", named.args.get("catalog"))

    def exact(self, tree):
        """Names in quotation marks are told apart by case; DuckDB would not."""
        def said(node):
            return node.name if node.args.get("quoted") else node.name.upper()
        known = {said(node.args["alias"]) for node in tree.find_all(exp.Alias) if isinstance(node.args["alias"], exp.Identifier)}
        for table in tree.find_all(exp.Table):
            known |= set(self.columns(table))
        upper = {name.upper() for name in known}
        for column in tree.find_all(exp.Column):
            if isinstance(column.this, exp.Identifier) and said(column.this) not in known and column.name.upper() in upper:
                name = f'"{column.name}"' if column.this.args.get("quoted") else column.name.upper()
                raise SqlError("000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier '{name}'")

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
        if isinstance(node, exp.UnixToTime) and node.args.get("scale") is not None and node.args["scale"].name.isdigit():
            return self.moment(node, int(node.args["scale"].name))
        return self.function(node)

    @staticmethod
    def path(node):
        """x:a.b is a VARIANT; compared or computed with, it is a text."""
        semi = isinstance(node.parent, (exp.Select, exp.Alias, exp.Anonymous, exp.Cast, exp.TryCast, exp.Tuple, exp.JSONExtract, exp.ParseJSON))
        return call("json_extract" if semi else "json_extract_string", node.this, exp.Literal.string(node.expression.sql("duckdb").strip("'")))

    @staticmethod
    def moment(node, scale):
        """TO_TIMESTAMP_NTZ(number, scale)."""
        value = exp.Cast(this=call("DV_TEXT", node.this), to=exp.DataType.build("DECIMAL(38,0)", dialect="duckdb"))
        count = call("round", exp.Mul(this=value, expression=exp.Literal.number(f"1e{6 - scale}")))
        return call("make_timestamp", exp.Cast(this=count, to=exp.DataType.build("BIGINT", dialect="duckdb")))

    @staticmethod
    def flatten(node):
        explode = node.this
        if not isinstance(explode, exp.Explode):
            return node
        subject = explode.this.expression if isinstance(explode.this, exp.Kwarg) else explode.this
        alias = node.args.get("alias")
        name = alias.this if alias and alias.this else exp.to_identifier("_FLATTENED")
        return exp.Table(this=call("DV_FLATTEN", subject), alias=exp.TableAlias(this=name))

    def cast(self, node):
        kind = node.to
        if kind.this in WITHOUT_SCALE:
            kind.set("expressions", [])
        if kind.this == exp.DataType.Type.VECTOR:
            inner = node.this
            while isinstance(inner, (exp.Cast, exp.Paren)) and (isinstance(inner, exp.Paren) or inner.to.this in SEMI):
                inner = inner.this
            return exp.Cast(this=inner, to=self.vector_type(kind))
        if kind.this in SEMI:
            return call("DV_JSON", node.this)
        if kind.this in SCALARS and self.may_be_variant(node.this):
            if isinstance(node, exp.TryCast):
                node.set("this", call("DV_TEXT", node.this))
                return node
            return self.converted(node.this, kind)
        return node

    @staticmethod
    def converted(value, kind):
        """A value of any type as one of that (sqlglot's) type, or the error that Snowflake has for it."""
        text, told = call("DV_TEXT", value), kinds.of_declared(kind)
        if told.type == "TEXT":
            return text if told.length == kinds.TEXT_MAX else call("DV_SHORT", text, exp.Literal.number(told.length))
        made = exp.Coalesce(this=exp.TryCast(this=text.copy(), to=kind.copy()),
                            expressions=[call("DV_FAILED", value.copy(), text.copy(), exp.Literal.string(told.type))])
        return exp.Case(ifs=[exp.If(this=exp.Is(this=text, expression=exp.Null()), true=exp.Null())], default=made)

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
        if isinstance(node, exp.Typeof):
            return call("DV_KIND", node.this)
        if type(node).__name__ in ABOUT_SESSION:
            told = getattr(self.session, ABOUT_SESSION[type(node).__name__])
            return exp.Literal.string(told) if told else exp.Cast(this=exp.Null(), to=exp.DataType.build("VARCHAR"))
        if isinstance(node, exp.AISummarizeAgg):
            return call("left", call("string_agg", node.this, exp.Literal.string(" ")), exp.Literal.number(200))
        return node

    @staticmethod
    def value_of(argument):
        return argument.expression if isinstance(argument, exp.Kwarg) else argument

    def cortex(self, name, arguments):
        if name == "AI_EMBED" and len(arguments) == 2:
            return self.embedding(arguments, self.embedders)
        if name == "AI_COMPLETE" and len(arguments) >= 2:
            self.model(arguments[0], self.chat_models)
            return call("DV_TEXT", arguments[1])
        return None

    def older(self, name, arguments):
        """What there is only as SNOWFLAKE.CORTEX.name()."""
        if name in LEGACY_SIZES and len(arguments) == 2:
            return self.embedding(arguments, {model: size for model, size in self.embedders.items() if size == LEGACY_SIZES[name]})
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
        """No key is enforced; lengths are where rows come in."""
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
            elif kind.this in WITHOUT_SCALE:
                kind.set("expressions", [])
            column.set("constraints", keep)

    def coerced(self, node, kind, longest=None):
        """What becomes of an expression in a column of that type."""
        if kind == "JSON":
            return call("DV_JSON", node)
        if "[" in kind:
            return call("DV_VECTOR", node)
        if kind == "VARCHAR":
            text = call("DV_TEXT", node)
            return call("DV_SHORT", text, exp.Literal.number(longest)) if longest else text
        return self.converted(node, exp.DataType.build(kind, dialect="duckdb"))

    def insert(self, tree):
        source = tree.expression
        target = tree.this
        columns = self.columns(target.this if isinstance(target, exp.Schema) else target)
        if isinstance(source, exp.Values):
            source = exp.select("*").from_(exp.Values(expressions=source.expressions, alias=exp.TableAlias(this=exp.to_identifier("DV_V"))))
        names = [part.name.upper() if not part.args.get("quoted") else part.name for part in target.expressions] if isinstance(target, exp.Schema) else [*columns]
        if not columns or not isinstance(source, (exp.Select, exp.SetOperation)) or any(name not in columns for name in names):
            return  # DuckDB says what is wrong
        width = len(tree.expression.expressions[0].expressions) if isinstance(tree.expression, exp.Values) else None
        if width is None and not any(part.find(exp.Star) for part in source.selects):
            width = len(source.selects)
        if width is not None and width != len(names):
            raise SqlError("002020", "21S01", "SQL compilation error:\nInsert value list does not match column list")
        made = [exp.to_identifier(f"DV_{number}") for number in range(len(names))]
        parts = [self.coerced(exp.column(name.copy(), table="DV_S"), columns[column][0], columns[column][2]) for name, column in zip(made, names)]
        inner = exp.Subquery(this=source, alias=exp.TableAlias(this=exp.to_identifier("DV_S"), columns=made))
        tree.set("expression", exp.select(*parts).from_(inner))

    def update(self, tree):
        columns = self.columns(tree.this)
        for pair in tree.expressions:
            pair.set("expression", self.coerced(pair.expression, *self.about(columns, said(pair.this.this))))

    def merge(self, tree):
        columns = self.columns(tree.this)
        alias = tree.this.alias_or_name.upper()
        for test in tree.args["on"].find_all(exp.EQ):
            sides = [test.this, test.expression]
            mine = next((side for side in sides if isinstance(side, exp.Column) and side.table.upper() == alias and side.name.upper() in columns), None)
            if mine is not None:
                other = "expression" if mine is sides[0] else "this"
                test.set(other, self.coerced(test.args[other], columns[mine.name.upper()][0]))
        for when in tree.args["whens"].expressions:
            then = when.args["then"]
            if isinstance(then, exp.Insert) and isinstance(then.expression, exp.Tuple):
                names = [said(part.this if isinstance(part, exp.Column) else part) for part in then.this.expressions] if then.this else [*columns]
                if len(names) != len(then.expression.expressions):
                    raise SqlError("002020", "21S01", "SQL compilation error:\nInsert value list does not match column list")
                then.expression.set("expressions", [self.coerced(value, *self.about(columns, name)) for value, name in zip(then.expression.expressions, names)])
            elif isinstance(then, exp.Update):
                for pair in then.expressions:
                    pair.set("expression", self.coerced(pair.expression, *self.about(columns, said(pair.this.this))))

    @staticmethod
    def about(columns, name):
        """(DuckDB's type, longest text) of a target's column."""
        if name not in columns:
            raise SqlError("000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier '{name}'")
        return columns[name][0], columns[name][2]
