-- One row for each time at which the schedule of backups was due: whoever inserts it takes the backup.

CREATE TABLE IF NOT EXISTS backup_schedule (
  due_at        DATETIME(6) NOT NULL,
  -- NULL for the moment before which the schedule did not exist.
  job_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  created_at    DATETIME(6) NOT NULL,
  PRIMARY KEY (due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
