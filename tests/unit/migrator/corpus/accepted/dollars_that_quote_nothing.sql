SELECT 1 AS a$$, 2 AS $b, 3 AS c$d$e;
SELECT '$$;$$', `$$;$$`; -- $$;
SELECT 5;
