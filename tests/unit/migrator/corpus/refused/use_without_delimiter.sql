USE information_schema
SELECT 1;
