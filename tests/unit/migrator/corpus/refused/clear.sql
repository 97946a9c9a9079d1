clear
SELECT 1;
