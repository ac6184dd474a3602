-- Requests of the streaming sink, the newest first: their rows in the table, and how many requests before each left none there.
-- A request that left none had all its rows refused, or was sent again in smaller ones; the refused rows themselves are in the dead
-- letters: `datavault dlq list`. Numbers are a journal's: with several journals into one table they are mixed. What came by
-- `mode: sql` is left out: its requests have no numbers.
WITH requests AS (
  SELECT TRY_TO_NUMBER(SPLIT_PART(DV_UNIT, '-', 1)) AS REQUEST, COUNT(*) AS ROWS_KEPT
  FROM SUMMARIES WHERE LENGTH(DV_UNIT) = 37 GROUP BY TRY_TO_NUMBER(SPLIT_PART(DV_UNIT, '-', 1))
)
SELECT REQUEST, ROWS_KEPT, REQUEST - LAG(REQUEST) OVER (ORDER BY REQUEST) - 1 AS WITHOUT_ROWS_BEFORE
FROM requests WHERE REQUEST IS NOT NULL ORDER BY REQUEST DESC LIMIT 100
