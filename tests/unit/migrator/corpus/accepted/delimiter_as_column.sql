CREATE TABLE t_delimiter (
  delimiter VARCHAR(5) NOT NULL,
  delimiters INT
);
SELECT delimiter FROM t_delimiter;
SELECT ',' AS delimiter ;
DROP TABLE t_delimiter;
