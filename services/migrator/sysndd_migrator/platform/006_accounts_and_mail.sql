-- Accounts and mail: tokens that are never at rest, how far a mail has come, what the transport does.
-- Names are not qualified: the migrator runs this file inside OPS_DB_NAME.

-- A token itself exists only in the mail and with its owner. It is derived by HMAC from purpose and id
-- with TOKEN_KEY, which is in no database.
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

-- Addresses that a mail server has called impossible.
CREATE TABLE IF NOT EXISTS undeliverable_address (
  recipient     VARCHAR(254) NOT NULL,
  since         DATETIME(6) NOT NULL,
  code          SMALLINT UNSIGNED NULL,
  reply         VARCHAR(500) NULL,
  PRIMARY KEY (recipient)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The breaker of each mailer's transport, written when it opens, is probed and closes.
CREATE TABLE IF NOT EXISTS mail_transport (
  name          VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  state         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  since         DATETIME(6) NOT NULL,
  seen_at       DATETIME(6) NOT NULL,
  code          SMALLINT UNSIGNED NULL,
  reason        VARCHAR(500) NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Rows that a transaction locks before it decides about several others.
CREATE TABLE IF NOT EXISTS account_guard (
  name          VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

INSERT INTO account_guard (name)
SELECT wanted.name FROM (SELECT 'administrators' AS name) AS wanted
WHERE NOT EXISTS (SELECT 1 FROM account_guard AS present WHERE present.name = 'administrators');

SET SESSION group_concat_max_len = 65536;
SET @missing = (
  SELECT GROUP_CONCAT(wanted.clause ORDER BY wanted.position SEPARATOR ', ')
  FROM (
    SELECT 1 AS position, 'expires_at' AS name,
           'ADD COLUMN expires_at DATETIME(6) NULL COMMENT ''after this it is cancelled, not sent''' AS clause
    UNION ALL SELECT 2, 'phase', 'ADD COLUMN phase VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT ''data: the content may be at the server'''
    UNION ALL SELECT 3, 'on_doubt', 'ADD COLUMN on_doubt VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''resend'' COMMENT ''after DATA without an answer: resend or hold'''
    UNION ALL SELECT 4, 'preview', 'ADD COLUMN preview JSON NULL COMMENT ''subject, text and html as rendered, links masked'''
  ) AS wanted
  WHERE NOT EXISTS (
    SELECT 1 FROM information_schema.COLUMNS AS present
    WHERE present.TABLE_SCHEMA = DATABASE() AND present.TABLE_NAME = 'mail'
      AND CONVERT(present.COLUMN_NAME USING utf8mb4) COLLATE utf8mb4_general_ci
        = CONVERT(wanted.name USING utf8mb4) COLLATE utf8mb4_general_ci
  )
);
SET @ddl = COALESCE(CONCAT('ALTER TABLE mail ', @missing), 'DO 0');
PREPARE add_columns FROM @ddl;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;
