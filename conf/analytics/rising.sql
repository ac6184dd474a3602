-- What rises: each group's records in the newest hour, against its usual hour of the day before; those that rose most first.
-- Groups are of DIAGNOSIS, as the healthcare graphs count them; for other columns copy this file and change the name.
WITH hours AS (
  SELECT DIAGNOSIS, FLOOR(WINDOW_START_MS / 3600000) AS HOUR_NUMBER, SUM("COUNT") AS RECORDS
  FROM SUMMARIES WHERE DIAGNOSIS IS NOT NULL GROUP BY DIAGNOSIS, FLOOR(WINDOW_START_MS / 3600000)
), newest AS (
  SELECT MAX(HOUR_NUMBER) AS HOUR_NUMBER FROM hours
), usual AS (
  SELECT h.DIAGNOSIS, SUM(h.RECORDS) / 24 AS AN_HOUR
  FROM hours h JOIN newest n ON h.HOUR_NUMBER < n.HOUR_NUMBER AND h.HOUR_NUMBER >= n.HOUR_NUMBER - 24 GROUP BY h.DIAGNOSIS
)
SELECT h.DIAGNOSIS, h.RECORDS AS THIS_HOUR, ROUND(u.AN_HOUR, 1) AS USUALLY, ROUND(h.RECORDS / u.AN_HOUR, 2) AS TIMES
FROM hours h JOIN newest n ON h.HOUR_NUMBER = n.HOUR_NUMBER JOIN usual u ON u.DIAGNOSIS = h.DIAGNOSIS
WHERE u.AN_HOUR > 0 ORDER BY TIMES DESC, h.RECORDS DESC, h.DIAGNOSIS LIMIT 20
