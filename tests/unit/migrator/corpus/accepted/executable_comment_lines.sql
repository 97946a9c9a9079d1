CREATE TABLE t_exec (a INT)
/*!50100
 COMMENT = 'it''s; here'
*/;
DROP TABLE t_exec;
