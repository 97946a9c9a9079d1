SELECT 'a%sb', 5 % 3, '100%' LIKE '%;%';
SELECT 2;
