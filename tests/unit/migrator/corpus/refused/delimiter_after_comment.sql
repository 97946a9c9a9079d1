/* x */ DELIMITER $$
SELECT 1$$
