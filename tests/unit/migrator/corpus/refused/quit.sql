quit
SELECT 2;
