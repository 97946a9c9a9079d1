-- The administrator's test of the mail server: one at a time and six a minute, for all workers of the API
-- together. And an index for the administrator's list of mails.

CREATE TABLE IF NOT EXISTS smtp_test (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  started_at    DATETIME(6) NOT NULL,
  -- Until then it counts as running, also when the process that ran it died.
  lease_until   DATETIME(6) NOT NULL,
  finished_at   DATETIME(6) NULL,
  PRIMARY KEY (id),
  KEY smtp_test_started (started_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- A row to lock before deciding about those above.
INSERT INTO account_guard (name)
SELECT wanted.name FROM (SELECT 'smtp_test' AS name) AS wanted
WHERE NOT EXISTS (SELECT 1 FROM account_guard AS present WHERE present.name = 'smtp_test');

SET @ddl = IF(
  EXISTS (
    SELECT 1 FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'mail' AND INDEX_NAME = 'mail_state_created'
  ),
  'DO 0',
  'ALTER TABLE mail ADD KEY mail_state_created (state, created_at)'
);
PREPARE add_index FROM @ddl;
EXECUTE add_index;
DEALLOCATE PREPARE add_index;
