-- Drops.
SELECT 1 ->> DROP TABLE T
