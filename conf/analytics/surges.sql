-- What rises now: each group's records in the newest half minute, against its usual half minute of the ten minutes before; the most first.
-- Groups are of DIAGNOSIS, as the healthcare graphs count them; for other columns copy this file and change the name.
WITH newest AS (
  SELECT MAX(WINDOW_END_MS) AS AT_MS FROM SUMMARIES
), counted AS (
  SELECT s.DIAGNOSIS, s."COUNT" AS RECORDS, s.WINDOW_START_MS, s.WINDOW_END_MS, CASE WHEN s.WINDOW_END_MS > n.AT_MS - 30000 THEN 1 ELSE 0 END AS IS_NEW
  FROM SUMMARIES s JOIN newest n ON s.WINDOW_END_MS > n.AT_MS - 630000 WHERE s.DIAGNOSIS IS NOT NULL
), older AS (
  SELECT (MAX(WINDOW_END_MS) - MIN(WINDOW_START_MS)) / 30000 AS HALF_MINUTES FROM counted WHERE IS_NEW = 0
), sums AS (
  SELECT DIAGNOSIS, SUM(RECORDS * IS_NEW) AS RECORDS_NEW, SUM(RECORDS * (1 - IS_NEW)) AS RECORDS_OLD FROM counted GROUP BY DIAGNOSIS
)
SELECT s.DIAGNOSIS, s.RECORDS_NEW AS HALF_MINUTE, ROUND(s.RECORDS_OLD / o.HALF_MINUTES, 1) AS USUALLY,
       ROUND(s.RECORDS_NEW * o.HALF_MINUTES / s.RECORDS_OLD, 2) AS TIMES
FROM sums s CROSS JOIN older o WHERE s.RECORDS_OLD > 0 ORDER BY TIMES DESC, HALF_MINUTE DESC, s.DIAGNOSIS LIMIT 20
