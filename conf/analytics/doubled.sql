-- Records that are in the table more than once, and how often: none, where the sink's rules are kept.
SELECT DV_ID, COUNT(*) AS TIMES, COUNT(DISTINCT DV_UNIT) AS REQUESTS
FROM SUMMARIES GROUP BY DV_ID HAVING COUNT(*) > 1 ORDER BY TIMES DESC, DV_ID LIMIT 100
