DELIMITER ================
SELECT 1================
