charset gbk
SELECT 1;
