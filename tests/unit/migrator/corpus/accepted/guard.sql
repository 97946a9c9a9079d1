SET @have = (SELECT COUNT(*) FROM information_schema.columns WHERE table_name = 'no;such');
SET @ddl = IF(@have > 0, 'SELECT 1', 'DO 0');
PREPARE st FROM @ddl;
EXECUTE st;
DEALLOCATE PREPARE st;
