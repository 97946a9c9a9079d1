SET @a = 1, `sql_mode` = 'ANSI';
