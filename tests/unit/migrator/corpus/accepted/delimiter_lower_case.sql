delimiter //
SELECT 1 //
delimiter ;
SELECT 3;
