SELECT 'a"b`c;', "a'b`c;", 1 AS `a'b"c;`;
SELECT 2;
