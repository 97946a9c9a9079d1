tee out.txt
SELECT 1;
