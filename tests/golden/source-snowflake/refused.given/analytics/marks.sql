-- Wants a value.
SELECT * FROM T WHERE A = ?
