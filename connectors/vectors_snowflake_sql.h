/* SPDX-License-Identifier: Apache-2.0
 * vectors_snowflake_sql.h - the statements of vectors in Snowflake; each %s is the table's name. For vectors_snowflake_make.c alone. */
#ifndef DV_CONNECTORS_VECTORS_SNOWFLAKE_SQL_H
#define DV_CONNECTORS_VECTORS_SNOWFLAKE_SQL_H

/* A bind that is a JSON list, as rows; and one that is a vector, of %u numbers: neither can be bound as what it is. */
#define LISTED "TABLE(FLATTEN(INPUT => PARSE_JSON(?))) F"
#define VECTOR "PARSE_JSON(?)::ARRAY::VECTOR(FLOAT, %u)"

/* vector, tenant, model. It cannot be compiled if the view's vectors are not as wide as ours. */
#define LOOK                                                                                                           \
    "SELECT COUNT(*), COUNT(VECTOR_COSINE_SIMILARITY(\"EMBEDDING\", " VECTOR ")) FROM \"%s_VECTORS\""                  \
    " WHERE \"TENANT\" = ? AND \"MODEL\" <> ?"

/* rows, tenant, model, tenant, tenant. What is there stays, and gets its vector if it had none; beside vectors of another
 * model nothing is put. */
#define MERGE                                                                                                          \
    "MERGE INTO \"%s\" T USING (SELECT F.VALUE:i::VARCHAR AS ID, F.VALUE:s::VARCHAR AS SCHEMA_NAME, F.VALUE:c::NUMBER AS CREATED," \
    " F.VALUE:b::VARCHAR AS BODY, F.VALUE:h::VARCHAR AS HASH, F.VALUE:r::VARCHAR AS REF, F.VALUE:n::NUMBER AS SUBJECTS," \
    " F.VALUE:m::VARCHAR AS MODEL, F.VALUE:v::ARRAY AS VECTOR_OF FROM " LISTED                                         \
    " WHERE NOT EXISTS (SELECT 1 FROM \"%s\" E WHERE E.\"TENANT\" = ? AND E.\"MODEL\" <> ?)) S"                        \
    " ON T.\"TENANT\" = ? AND T.\"DV_ID\" = S.ID"                                                                      \
    " WHEN MATCHED AND T.\"EMBEDDING\" IS NULL AND S.VECTOR_OF IS NOT NULL"                                            \
    " THEN UPDATE SET \"MODEL\" = S.MODEL, \"EMBEDDING\" = S.VECTOR_OF"                                                \
    " WHEN NOT MATCHED THEN INSERT (\"DV_ID\", \"TENANT\", \"SCHEMA_NAME\", \"CREATED_MS\", \"BODY\", \"HASH\", \"SUBJECT_REF\"," \
    " \"SUBJECTS\", \"MODEL\", \"EMBEDDING\") VALUES (S.ID, ?, S.SCHEMA_NAME, S.CREATED, S.BODY, S.HASH, S.REF, S.SUBJECTS," \
    " S.MODEL, S.VECTOR_OF)"

/* words, [vector], partings, spaces, tenant, schema, schema, from, to. A text's words stand between spaces of their own, so
 * that a word's pattern finds whole words only. A text that stands twice is one: it counts, and takes a rank, once. */
#define TEXTS                                                                                                          \
    "WITH W AS (SELECT LOWER(F.VALUE:s::VARCHAR) AS STEM, LOWER(F.VALUE:p::VARCHAR) AS PATTERN FROM " LISTED "),"      \
    " T AS (SELECT \"DV_ID\", \"SCHEMA_NAME\", \"CREATED_MS\", \"BODY\", \"SUBJECT_REF\", \"SUBJECTS\", \"HASH\","

#define COMPARED " VECTOR_COSINE_SIMILARITY(\"EMBEDDING\", " VECTOR ") AS COSINE,"
#define NOT_COMPARED " CAST(NULL AS FLOAT) AS COSINE,"

#define FILTERED                                                                                                       \
    " REPLACE(' ' || TRANSLATE(LOWER(\"BODY\"), ?, ?) || ' ', ' ', '  ') AS SAID, COUNT(*) OVER () AS TEXTS,"          \
    " LENGTH(\"BODY\") / GREATEST(AVG(LENGTH(\"BODY\")) OVER (), 1) AS LENGTHS"                                           \
    " FROM (SELECT * FROM \"%s%s\" WHERE \"TENANT\" = ? AND (? IS NULL OR \"SCHEMA_NAME\" = ?)"                          \
    " AND \"CREATED_MS\" >= ? AND \"CREATED_MS\" < ? QUALIFY ROW_NUMBER() OVER (PARTITION BY \"DV_ID\""                  \
    " ORDER BY IFF(\"EMBEDDING\" IS NULL, 1, 0), \"CREATED_MS\") = 1)),"

/* model, model, tenant, floor. BM25 as Robertson and others give it, with k1 = 1.2 and b = 0.75. */
#define RANKED                                                                                                         \
    " H AS (SELECT T.\"DV_ID\", W.PATTERN, T.TEXTS, T.LENGTHS, REGEXP_COUNT(T.SAID, ' ' || W.PATTERN || ' ') AS TIMES" \
    " FROM T JOIN W ON CONTAINS(T.SAID, ' ' || W.STEM)),"                                                              \
    " D AS (SELECT \"DV_ID\", TEXTS, LENGTHS, TIMES, COUNT(*) OVER (PARTITION BY PATTERN) AS HAVING_IT FROM H WHERE TIMES > 0)," \
    " S AS (SELECT \"DV_ID\", SUM(LN(1 + (TEXTS - HAVING_IT + 0.5) / (HAVING_IT + 0.5)) * TIMES * 2.2"                 \
    " / (TIMES + 1.2 * (0.25 + 0.75 * LENGTHS))) AS SCORE FROM D GROUP BY \"DV_ID\"),"                                 \
    " R AS (SELECT T.*, S.SCORE, ROW_NUMBER() OVER (ORDER BY T.COSINE DESC NULLS LAST, T.\"DV_ID\") AS NEAR_RANK,"     \
    " ROW_NUMBER() OVER (ORDER BY S.SCORE DESC NULLS LAST, T.\"DV_ID\") AS WORD_RANK"                                  \
    " FROM T LEFT JOIN S ON S.\"DV_ID\" = T.\"DV_ID\"),"                                                               \
    " M AS (SELECT COUNT(CASE WHEN \"MODEL\" <> ? THEN 1 END) AS OTHERS, COUNT(CASE WHEN \"MODEL\" = ? THEN 1 END) AS FITTING FROM \"%s\" WHERE \"TENANT\" = ?)," \
    " X AS (SELECT R.*, R.COSINE IS NOT NULL AND R.COSINE >= ? AND R.NEAR_RANK <= %d AS IS_NEAR,"                      \
    " R.SCORE IS NOT NULL AND R.WORD_RANK <= %d AS IS_SAID FROM R)"                                                    \
    " SELECT M.OTHERS, M.FITTING, X.\"DV_ID\", X.\"SCHEMA_NAME\", X.\"CREATED_MS\", X.\"BODY\", X.\"SUBJECT_REF\", X.\"SUBJECTS\"," \
    " X.\"HASH\", X.COSINE, IFF(X.IS_NEAR, X.NEAR_RANK, 0), IFF(X.IS_SAID, X.WORD_RANK, 0)"                            \
    " FROM M LEFT JOIN X ON M.OTHERS = 0 AND (X.IS_NEAR OR X.IS_SAID)"

enum {
    COL_OTHERS,
    COL_FITTING,
    COL_ID,
    COL_SCHEMA,
    COL_CREATED,
    COL_BODY,
    COL_SUBJECT,
    COL_SUBJECTS,
    COL_HASH,
    COL_COSINE,
    COL_NEAR,
    COL_SAID,
    COLUMNS
};

/* requested, tenant, people or ids. A text's name there is whom it is about, or, of one that is removed by its id, that. */
#define NOTE                                                                                                           \
    "INSERT INTO \"ERASURES\" (\"TENANT\", \"SUBJECT_REF\", \"REQUESTED_MS\", \"DONE_MS\", \"TEXTS\")"                 \
    " SELECT \"TENANT\", %s, ?, NULL, COUNT(*) FROM \"%s\" WHERE \"TENANT\" = ? AND %s IN (SELECT F.VALUE::VARCHAR FROM " LISTED \
    ") GROUP BY \"TENANT\", %s"

/* tenant, people or ids. */
#define DELETE "DELETE FROM \"%s\" WHERE \"TENANT\" = ? AND %s IN (SELECT F.VALUE::VARCHAR FROM " LISTED ")"

/* done, tenant, people or ids. Those of a removal that was broken off before, too. */
#define CONFIRM                                                                                                        \
    "UPDATE \"ERASURES\" SET \"DONE_MS\" = ? WHERE \"TENANT\" = ? AND \"DONE_MS\" IS NULL"                             \
    " AND \"SUBJECT_REF\" IN (SELECT %sF.VALUE::VARCHAR FROM " LISTED ")"

/* tenant, schema, before when, tenant. */
#define EXPIRE                                                                                                         \
    "DELETE FROM \"%s\" USING (SELECT \"DV_ID\" AS ID FROM \"%s\" WHERE \"TENANT\" = ? AND \"SCHEMA_NAME\" = ? AND \"CREATED_MS\" < ?" \
    " ORDER BY \"CREATED_MS\", \"DV_ID\" LIMIT %d) O WHERE \"TENANT\" = ? AND \"DV_ID\" = O.ID"

/* tenant, whom, behind which id. */
#define LIST_IDS                                                                                                       \
    "SELECT DISTINCT \"DV_ID\" FROM \"%s\" WHERE \"TENANT\" = ? AND \"SUBJECT_REF\" = ? AND \"DV_ID\" > ? ORDER BY \"DV_ID\" LIMIT %d"

#define COUNT_ALL "SELECT COUNT(*) FROM \"%s\""
#define COUNT_TENANT COUNT_ALL " WHERE \"TENANT\" = ?"

#endif
