SELECT JSON_EXTRACT('{"a":1}', '$.a') AS status;
SELECT 2 AS source, 3 AS `use`;
