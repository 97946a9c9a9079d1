SET @s = 'SELECT ''a;b'', "c;d"';
PREPARE st FROM @s;
EXECUTE st;
DEALLOCATE PREPARE st;
