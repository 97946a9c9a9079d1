SELECT '{"a": "b;c", "d": "it\\\'s"}', 'a' REGEXP '^[^;]+$', '\\d;\\.';
SELECT 2;
