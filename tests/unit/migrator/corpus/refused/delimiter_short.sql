\d $$
SELECT 1$$
