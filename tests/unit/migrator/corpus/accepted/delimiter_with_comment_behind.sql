DELIMITER $$ -- for the trigger
SELECT 1$$
DELIMITER ; # back
SELECT 2;
