-- Tables of backups that were loaded beside live, to be looked at.
-- Names are not qualified: the migrator runs this file inside OPS_DB_NAME.

-- Written before its schema is made: a worker that dies leaves a row by which the next one cleans up.
CREATE TABLE IF NOT EXISTS inspection (
  schema_name   VARCHAR(64) NOT NULL,
  live          VARCHAR(64) NOT NULL,
  job_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  backup        VARCHAR(128) NOT NULL,
  table_name    VARCHAR(64) NOT NULL,
  -- NULL until it is loaded.
  row_count     BIGINT UNSIGNED NULL,
  created_at    DATETIME(6) NOT NULL,
  kept_until    DATETIME(6) NOT NULL,
  PRIMARY KEY (schema_name),
  KEY inspection_kept (kept_until)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
