CREATE TABLE t_words (
  status INT,
  source TEXT,
  help INT,
  print INT,
  system INT,
  go INT
);
SELECT
  status
FROM t_words;
DROP TABLE t_words;
