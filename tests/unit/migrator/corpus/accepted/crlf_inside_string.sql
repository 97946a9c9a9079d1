SELECT 'two
lines';
SELECT 2;
