-- One row for each exchange of the application's tables, written ahead of every step, so that a
-- worker or server that dies in the middle leaves behind what the next one needs to finish it or to
-- take it back. An open row (finished_at NULL) with maintenance = 1 is the maintenance mode.

CREATE TABLE IF NOT EXISTS restore_journal (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  job_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  purpose       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  backup        VARCHAR(128) NULL,
  live          VARCHAR(64) NOT NULL,
  -- Schemas that the new tables come from and the old ones go to.
  incoming      VARCHAR(64) NOT NULL,
  outgoing      VARCHAR(64) NOT NULL,
  -- What is about to be done, not what was done.
  step          VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  swapping      TINYINT(1) NOT NULL DEFAULT 0,
  turned_back   TINYINT(1) NOT NULL DEFAULT 0,
  maintenance   TINYINT(1) NOT NULL DEFAULT 0,
  -- Views, triggers, routines and events of both sides, as JSON.
  old_programs  LONGTEXT NULL,
  new_programs  LONGTEXT NULL,
  -- Rows per table of the new side, to tell later what was written since.
  row_counts    LONGTEXT NULL,
  outcome       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- Until when the outgoing schema is kept; NULL when it is gone.
  kept_until    DATETIME(6) NULL,
  started_at    DATETIME(6) NOT NULL,
  finished_at   DATETIME(6) NULL,
  PRIMARY KEY (id),
  KEY restore_journal_open (finished_at, maintenance),
  KEY restore_journal_kept (kept_until)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
