SELECT 1 /* tail; */ ;
SELECT 2 -- tail;
;
SELECT 3 # tail;
;
