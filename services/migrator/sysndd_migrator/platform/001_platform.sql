-- The platform schema: what a restore of the application must never bring back or erase.
-- Names are not qualified: the migrator runs this file inside OPS_DB_NAME.

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
  requested_by  INT UNSIGNED NULL,
  request_id    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  created_at    DATETIME(6) NOT NULL,
  started_at    DATETIME(6) NULL,
  finished_at   DATETIME(6) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY job_active_slot (active_slot),
  KEY job_due (queue, state, run_after),
  KEY job_lease (state, lease_until),
  KEY job_created (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

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
  expires_at    DATETIME(6) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY mail_message_id (message_id),
  KEY mail_due (state, run_after),
  KEY mail_lease (state, lease_until),
  KEY mail_created (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS session (
  -- SHA-256 of the token; the token itself is held by its owner only.
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

CREATE TABLE IF NOT EXISTS worker (
  name          VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  queue         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  started_at    DATETIME(6) NOT NULL,
  seen_at       DATETIME(6) NOT NULL,
  PRIMARY KEY (name),
  KEY worker_queue (queue, seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
