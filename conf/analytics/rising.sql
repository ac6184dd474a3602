-- What rises: each group's records in the newest whole hour, against its usual hour of the day before; those that rose most first.
-- An hour is whole once a window has ended at its end or later. What is usual is of the hours that have any records: a young table has few.
-- Groups are of DIAGNOSIS, as the healthcare graphs count them; for other columns copy this file and change the name.
WITH hours AS (
  SELECT DIAGNOSIS, FLOOR(WINDOW_START_MS / 3600000) AS HOUR_NUMBER, SUM("COUNT") AS RECORDS
  FROM SUMMARIES WHERE DIAGNOSIS IS NOT NULL GROUP BY DIAGNOSIS, FLOOR(WINDOW_START_MS / 3600000)
), newest AS (
  SELECT MAX(HOUR_NUMBER) AS HOUR_NUMBER FROM hours WHERE HOUR_NUMBER < (SELECT FLOOR(MAX(WINDOW_END_MS) / 3600000) FROM SUMMARIES)
), before AS (
  SELECT h.DIAGNOSIS, h.HOUR_NUMBER, h.RECORDS
  FROM hours h JOIN newest n ON h.HOUR_NUMBER < n.HOUR_NUMBER AND h.HOUR_NUMBER >= n.HOUR_NUMBER - 24
), usual AS (
  SELECT DIAGNOSIS, SUM(RECORDS) / (SELECT COUNT(DISTINCT HOUR_NUMBER) FROM before) AS AN_HOUR FROM before GROUP BY DIAGNOSIS
)
SELECT h.DIAGNOSIS, h.RECORDS AS THIS_HOUR, ROUND(u.AN_HOUR, 1) AS USUALLY, ROUND(h.RECORDS / u.AN_HOUR, 2) AS TIMES
FROM hours h JOIN newest n ON h.HOUR_NUMBER = n.HOUR_NUMBER JOIN usual u ON u.DIAGNOSIS = h.DIAGNOSIS
WHERE u.AN_HOUR > 0 ORDER BY TIMES DESC, h.RECORDS DESC, h.DIAGNOSIS LIMIT 20
