DELIMITER go
SELECT category go
