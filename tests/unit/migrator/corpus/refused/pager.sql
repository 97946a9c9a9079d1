pager less
SELECT 1;
