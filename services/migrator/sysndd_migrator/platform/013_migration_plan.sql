-- What `sysndd-migrator plan` measured last, for those who may only look: the admin pages show which
-- lock each pending statement takes, and their account has no right to measure that itself.
-- Names are not qualified: the migrator runs this file inside OPS_DB_NAME.

CREATE TABLE IF NOT EXISTS migration_plan (
  schema_name   VARCHAR(64) NOT NULL,
  filename      VARCHAR(255) NOT NULL,
  -- Of the file as it was measured: an edited one has not been.
  checksum      CHAR(71) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  measured_at   DATETIME(6) NOT NULL,
  server        VARCHAR(128) NOT NULL,
  -- As in `sysndd-migrator plan --json`: statements with their locks, and what lint says.
  document      JSON NOT NULL,
  PRIMARY KEY (schema_name, filename)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
