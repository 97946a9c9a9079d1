status
SELECT 1;
