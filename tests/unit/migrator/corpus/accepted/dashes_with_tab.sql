SELECT 1; --	comment; SELECT 9;
SELECT 2;
