-- The platform schema: data that a restore of the application must neither replace nor delete.
-- Names have no schema, because the migrator runs this file in OPS_DB_NAME.

-- Jobs and their log lines.

CREATE TABLE IF NOT EXISTS job (
  id            CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  kind          VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  queue         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  state         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'queued',
  payload       JSON NOT NULL,
  active_key    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- Unique only while the job is queued or running: NULLs never collide.
  active_slot   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
                GENERATED ALWAYS AS (CASE WHEN state IN ('queued', 'running') THEN active_key END) STORED,
  attempt       INT UNSIGNED NOT NULL DEFAULT 0,
  max_attempts  INT UNSIGNED NOT NULL DEFAULT 1,
  run_after     DATETIME(6) NOT NULL,
  lease_until   DATETIME(6) NULL,
  worker        VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,
  cancel_requested TINYINT(1) NOT NULL DEFAULT 0,
  step          VARCHAR(64) NULL,
  percent       TINYINT UNSIGNED NOT NULL DEFAULT 0,
  message       VARCHAR(500) NULL,
  result        JSON NULL,
  error_code    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  error         VARCHAR(2000) NULL,
  -- audit_log.id of the entry that requested it, and of the entry with its outcome.
  audit_id         BIGINT UNSIGNED NULL,
  outcome_audit_id BIGINT UNSIGNED NULL,
  requested_by  INT UNSIGNED NULL,
  request_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  created_at    DATETIME(6) NOT NULL,
  started_at    DATETIME(6) NULL,
  finished_at   DATETIME(6) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY job_active_slot (active_slot),
  KEY job_due (queue, state, run_after),
  KEY job_lease (state, lease_until),
  KEY job_created (created_at),
  KEY job_outcome (outcome_audit_id, finished_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

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

CREATE TABLE IF NOT EXISTS worker (
  name          VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  queue         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  started_at    DATETIME(6) NOT NULL,
  seen_at       DATETIME(6) NOT NULL,
  PRIMARY KEY (name),
  KEY worker_queue (queue, seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Email: the outbox, the state of each mailer's transport, and rejected addresses.

CREATE TABLE IF NOT EXISTS mail (
  id            CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  purpose       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  recipient     VARCHAR(254) NOT NULL,
  template      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  context       JSON NOT NULL,
  message_id    VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  state         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'queued',
  attempt       INT UNSIGNED NOT NULL DEFAULT 0,
  max_attempts  INT UNSIGNED NOT NULL DEFAULT 10,
  run_after     DATETIME(6) NOT NULL,
  lease_until   DATETIME(6) NULL,
  worker        VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,
  last_code     SMALLINT UNSIGNED NULL,
  last_reply    VARCHAR(500) NULL,
  requested_by  INT UNSIGNED NULL,
  request_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  created_at    DATETIME(6) NOT NULL,
  started_at    DATETIME(6) NULL,
  finished_at   DATETIME(6) NULL,
  -- After this it is cancelled, not sent.
  expires_at    DATETIME(6) NULL,
  -- `data`: the mail server may have received the content.
  phase         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- If delivery is unknown: resend or hold.
  on_unknown_outcome      VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'resend',
  -- Subject, text and HTML as rendered, with links masked.
  preview       JSON NULL,
  PRIMARY KEY (id),
  UNIQUE KEY mail_message_id (message_id),
  KEY mail_due (state, run_after),
  KEY mail_created (created_at),
  KEY mail_state_created (state, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The circuit breaker of each mailer, written when it opens, is probed and closes.
CREATE TABLE IF NOT EXISTS mail_transport (
  name          VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  state         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  since         DATETIME(6) NOT NULL,
  seen_at       DATETIME(6) NOT NULL,
  code          SMALLINT UNSIGNED NULL,
  reason        VARCHAR(500) NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Addresses that a mail server has rejected as undeliverable.
CREATE TABLE IF NOT EXISTS undeliverable_address (
  recipient     VARCHAR(254) NOT NULL,
  since         DATETIME(6) NOT NULL,
  code          SMALLINT UNSIGNED NULL,
  reply         VARCHAR(500) NULL,
  PRIMARY KEY (recipient)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Tests of the mail server: one at a time and six a minute, for all API processes together.
CREATE TABLE IF NOT EXISTS smtp_test (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  started_at    DATETIME(6) NOT NULL,
  -- Until then it counts as running, also if the process that ran it crashed.
  lease_until   DATETIME(6) NOT NULL,
  finished_at   DATETIME(6) NULL,
  PRIMARY KEY (id),
  KEY smtp_test_started (started_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Accounts: sessions, link tokens, email changes, and clients that have signed in before.

CREATE TABLE IF NOT EXISTS session (
  -- SHA-256 of the token; only its owner has the token.
  token_hash    BINARY(32) NOT NULL,
  user_id       INT UNSIGNED NOT NULL,
  created_at    DATETIME(6) NOT NULL,
  last_seen_at  DATETIME(6) NOT NULL,
  expires_at    DATETIME(6) NOT NULL,
  remote        VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
  user_agent    VARCHAR(255) NULL,
  PRIMARY KEY (token_hash),
  KEY session_user (user_id),
  KEY session_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Only the email contains the token. It is derived by HMAC from purpose and id with TOKEN_KEY, which
-- is not stored in any database.
CREATE TABLE IF NOT EXISTS account_token (
  id            CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  purpose       VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id       INT UNSIGNED NOT NULL,
  -- SHA-256 of the token.
  token_hash    BINARY(32) NOT NULL,
  created_at    DATETIME(6) NOT NULL,
  expires_at    DATETIME(6) NOT NULL,
  used_at       DATETIME(6) NULL,
  revoked_at    DATETIME(6) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY account_token_hash (token_hash),
  KEY account_token_user (user_id, purpose, created_at),
  KEY account_token_expires (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- A change of email address is confirmed at both addresses.
CREATE TABLE IF NOT EXISTS email_change (
  id               CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id          INT UNSIGNED NOT NULL,
  new_email        VARCHAR(254) NOT NULL,
  -- account_token.id of the links in the two emails.
  old_token        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  new_token        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at       DATETIME(6) NOT NULL,
  old_confirmed_at DATETIME(6) NULL,
  new_confirmed_at DATETIME(6) NULL,
  finished_at      DATETIME(6) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY email_change_old_token (old_token),
  UNIQUE KEY email_change_new_token (new_token),
  KEY email_change_user (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Many failed sign-ins to an account make the API reject unknown clients, but not those from which
-- the account has signed in before.
CREATE TABLE IF NOT EXISTS known_client (
  user_id       INT UNSIGNED NOT NULL,
  -- SHA-256 of the client's address, or of its /64 network.
  client        BINARY(32) NOT NULL,
  seen_at       DATETIME(6) NOT NULL,
  PRIMARY KEY (user_id, client),
  KEY known_client_seen (seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Records: the audit log and request statistics. Both are bounded by their writers.

CREATE TABLE IF NOT EXISTS audit_log (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  happened_at   DATETIME(6) NOT NULL,
  action        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  outcome       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  actor_id      INT UNSIGNED NULL,
  actor_name    VARCHAR(64) NULL,
  remote        VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
  object        VARCHAR(255) NULL,
  request_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  detail        JSON NULL,
  PRIMARY KEY (id),
  KEY audit_happened (happened_at),
  KEY audit_action (action, happened_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS request_stats (
  minute        DATETIME NOT NULL,
  worker        VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  requests      INT UNSIGNED NOT NULL DEFAULT 0,
  -- Responses with status 500 and above.
  failures      INT UNSIGNED NOT NULL DEFAULT 0,
  ms_total      DOUBLE NOT NULL DEFAULT 0,
  ms_max        DOUBLE NOT NULL DEFAULT 0,
  pool_size     INT UNSIGNED NOT NULL,
  -- Maximum number at the same time in this minute.
  pool_in_use   INT UNSIGNED NOT NULL DEFAULT 0,
  pool_waiting  INT UNSIGNED NOT NULL DEFAULT 0,
  seen_at       DATETIME(6) NOT NULL,
  PRIMARY KEY (minute, worker)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Backups: the schedule, restores, and tables loaded for inspection.

-- One row for each time at which a backup was due: the worker that inserts it creates the backup.
CREATE TABLE IF NOT EXISTS backup_schedule (
  due_at        DATETIME(6) NOT NULL,
  -- NULL for the time at which the schedule was first seen.
  job_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
  created_at    DATETIME(6) NOT NULL,
  PRIMARY KEY (due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The journal: one row for each swap of the application's tables, written before every step, so that
-- after a crash the next worker can complete or revert it. An open row (finished_at NULL) with
-- maintenance = 1 is the maintenance mode.
CREATE TABLE IF NOT EXISTS restore_journal (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  job_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  purpose       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  backup        VARCHAR(128) NULL,
  live          VARCHAR(64) NOT NULL,
  -- The schema of the new tables, and the schema that receives the old ones.
  incoming      VARCHAR(64) NOT NULL,
  outgoing      VARCHAR(64) NOT NULL,
  -- The step that comes next, not the last one that was done.
  step          VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  swapping      TINYINT(1) NOT NULL DEFAULT 0,
  rolling_back   TINYINT(1) NOT NULL DEFAULT 0,
  maintenance   TINYINT(1) NOT NULL DEFAULT 0,
  -- Views, triggers, routines and events of both sides, as JSON.
  old_objects  LONGTEXT NULL,
  new_objects  LONGTEXT NULL,
  -- Rows for each restored table, to detect later writes.
  row_counts    LONGTEXT NULL,
  outcome       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- Until when the previous tables are retained; NULL if they were dropped.
  kept_until    DATETIME(6) NULL,
  started_at    DATETIME(6) NOT NULL,
  finished_at   DATETIME(6) NULL,
  PRIMARY KEY (id),
  KEY restore_journal_open (finished_at, maintenance),
  KEY restore_journal_kept (kept_until)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Written before its schema is created: after a crash the next worker cleans up by this row.
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

-- Migrations: the last measured plan, which the admin pages show.

CREATE TABLE IF NOT EXISTS migration_plan (
  schema_name   VARCHAR(64) NOT NULL,
  filename      VARCHAR(255) NOT NULL,
  -- Checksum of the measured text; a plan of an edited file is not shown.
  checksum      CHAR(71) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  measured_at   DATETIME(6) NOT NULL,
  server        VARCHAR(128) NOT NULL,
  -- As in `sysndd-migrator plan --json`: statements with their locks, and findings of lint.
  document      JSON NOT NULL,
  PRIMARY KEY (schema_name, filename)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Rows that a transaction locks before it checks several others.
CREATE TABLE IF NOT EXISTS transaction_guard (
  name          VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO transaction_guard (name)
SELECT required.name
FROM (SELECT 'administrators' AS name UNION ALL SELECT 'smtp_test') AS required
WHERE NOT EXISTS (SELECT 1 FROM transaction_guard AS present WHERE present.name = required.name);
