delimiters $$
SELECT 1;
