SELECT 'a;b', "c;d", `e;f` FROM (SELECT 1 AS `e;f`) x;
SELECT ';';
SELECT ";";
