DELIMITER $$
SELECT $x$ $$ $x$ $$
