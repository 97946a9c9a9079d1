--comment; SELECT 8;
SELECT 1;--another; SELECT 9;
SELECT 2;
