-- Tables loaded for inspection, and jobs whose outcome is in the audit log.
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

SET @ddl = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS
          WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'job' AND COLUMN_NAME = 'outcome_audited'),
  'DO 0',
  'ALTER TABLE job ADD COLUMN outcome_audited TINYINT(1) NOT NULL DEFAULT 0 COMMENT ''whether its end is in audit_log'', ADD KEY job_unaudited (outcome_audited, finished_at)'
);
PREPARE add_column FROM @ddl;
EXECUTE add_column;
DEALLOCATE PREPARE add_column;
