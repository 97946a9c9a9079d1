DELIMITER $$
CREATE PROCEDURE p3()
BEGIN
  -- it's a comment; with a quote
  SELECT 1; # another's
  /* a third's; */
END$$
DELIMITER ;
DROP PROCEDURE p3;
