SELECT 1 AS a,
delimiter
FROM t;
