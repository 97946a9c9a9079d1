prompt x;
SELECT 1;
