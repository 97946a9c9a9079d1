SET SESSION sql_mode = 'ANSI_QUOTES';
SELECT "a;b";
