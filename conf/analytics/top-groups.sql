-- The largest groups of the last day, and how much of all that is.
-- Groups are of DIAGNOSIS, as the healthcare graphs count them; for other columns copy this file and change the name.
WITH day AS (
  SELECT DIAGNOSIS, SUM("COUNT") AS RECORDS
  FROM SUMMARIES
  WHERE WINDOW_START_MS >= (SELECT MAX(WINDOW_START_MS) FROM SUMMARIES) - 86400000 GROUP BY DIAGNOSIS
)
SELECT DIAGNOSIS, RECORDS, ROUND(100 * RECORDS / (SELECT SUM(RECORDS) FROM day), 1) AS PERCENT
FROM day WHERE DIAGNOSIS IS NOT NULL ORDER BY RECORDS DESC, DIAGNOSIS LIMIT 20
