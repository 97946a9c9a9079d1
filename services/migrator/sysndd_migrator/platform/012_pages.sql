-- What the admin pages show beside the rows themselves: the log lines of each job, and how busy each
-- API process was. Both are bounded by their writers. Names are not qualified: the migrator runs
-- this file inside OPS_DB_NAME.

CREATE TABLE IF NOT EXISTS job_log (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  job_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempt       INT UNSIGNED NOT NULL,
  logged_at     DATETIME(6) NOT NULL,
  level         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  line          VARCHAR(2000) NOT NULL,
  PRIMARY KEY (id),
  KEY job_log_job (job_id, id),
  KEY job_log_logged (logged_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS api_activity (
  minute        DATETIME NOT NULL,
  worker        VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  requests      INT UNSIGNED NOT NULL DEFAULT 0,
  -- Answers of 500 and above.
  failures      INT UNSIGNED NOT NULL DEFAULT 0,
  ms_total      DOUBLE NOT NULL DEFAULT 0,
  ms_max        DOUBLE NOT NULL DEFAULT 0,
  pool_size     INT UNSIGNED NOT NULL,
  -- The most that were seen at once in this minute.
  pool_in_use   INT UNSIGNED NOT NULL DEFAULT 0,
  pool_waiting  INT UNSIGNED NOT NULL DEFAULT 0,
  seen_at       DATETIME(6) NOT NULL,
  PRIMARY KEY (minute, worker)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
