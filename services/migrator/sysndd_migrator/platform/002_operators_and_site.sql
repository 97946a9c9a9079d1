-- Operators have accounts of their own, and the platform schema belongs to one site.

-- The people who run the platform. They are not in the application schema, so that no restore
-- removes them and they can sign in while that schema is damaged or missing. Their IDs start high,
-- because a process of release 0.9.0 that still runs during an upgrade takes each ID for that of a
-- site user: with these, it finds none.
CREATE TABLE IF NOT EXISTS `operator` (
  operator_id   INT UNSIGNED NOT NULL AUTO_INCREMENT,
  user_name     VARCHAR(64) NOT NULL,
  email         VARCHAR(254) NOT NULL,
  -- NULL until the operator has accepted the invitation.
  password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
  role          VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  state         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at    DATETIME(6) NOT NULL,
  last_login_at DATETIME(6) NULL,
  PRIMARY KEY (operator_id),
  UNIQUE KEY operator_user_name (user_name),
  UNIQUE KEY operator_email (email)
) ENGINE=InnoDB AUTO_INCREMENT=500000001 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- One row: the site that this schema belongs to. The migrator writes it.
CREATE TABLE IF NOT EXISTS site (
  only_row      TINYINT UNSIGNED NOT NULL DEFAULT 1,
  id            CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  app_schema    VARCHAR(64) NOT NULL,
  -- The UUID that MySQL gives each data directory; empty on MariaDB, which has none.
  server        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  -- Whether the application schema has SysNDD's table of users, and its tables of genes and
  -- entities. A table that is missing although it was there is damage, not another kind of site.
  has_accounts  TINYINT(1) NOT NULL DEFAULT 0,
  has_curation  TINYINT(1) NOT NULL DEFAULT 0,
  created_at    DATETIME(6) NOT NULL,
  bound_at      DATETIME(6) NOT NULL,
  PRIMARY KEY (only_row)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- IDs of operators and of site users overlap, so each row says which of the two it is about. The
-- defaults are for processes of release 0.9.0 that are still running during an upgrade.
--
-- Running this file again changes nothing. ADD COLUMN IF NOT EXISTS would be shorter, but MySQL does
-- not have it. Each ALTER TABLE is atomic, so its column shows whether it was done.
SET @ddl = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
          AND TABLE_NAME = 'session' AND COLUMN_NAME = 'realm'),
  'DO 0',
  'ALTER TABLE session ADD COLUMN realm VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''site'', DROP KEY session_user, ADD KEY session_user (realm, user_id)');
PREPARE change_table FROM @ddl;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @ddl = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
          AND TABLE_NAME = 'account_token' AND COLUMN_NAME = 'realm'),
  'DO 0',
  'ALTER TABLE account_token ADD COLUMN realm VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''site'', DROP KEY account_token_user,
    ADD KEY account_token_user (realm, user_id, purpose, created_at)');
PREPARE change_table FROM @ddl;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @ddl = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
          AND TABLE_NAME = 'known_client' AND COLUMN_NAME = 'realm'),
  'DO 0',
  'ALTER TABLE known_client ADD COLUMN realm VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''site'' FIRST, DROP PRIMARY KEY,
    ADD PRIMARY KEY (realm, user_id, client)');
PREPARE change_table FROM @ddl;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @ddl = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
          AND TABLE_NAME = 'job' AND COLUMN_NAME = 'requested_realm'),
  'DO 0',
  'ALTER TABLE job ADD COLUMN requested_realm VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''site''');
PREPARE change_table FROM @ddl;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @ddl = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
          AND TABLE_NAME = 'mail' AND COLUMN_NAME = 'requested_realm'),
  'DO 0',
  'ALTER TABLE mail ADD COLUMN requested_realm VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''site''');
PREPARE change_table FROM @ddl;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @ddl = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
          AND TABLE_NAME = 'audit_log' AND COLUMN_NAME = 'actor_realm'),
  'DO 0',
  'ALTER TABLE audit_log ADD COLUMN actor_realm VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''site''');
PREPARE change_table FROM @ddl;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

-- What a restore held on the site's side, to be released by the swap or by recovery: the database
-- accounts that it locked (JSON), and whether the pre-hook has run and the post-hook has not.
SET @ddl = IF(
  EXISTS (SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()
          AND TABLE_NAME = 'restore_journal' AND COLUMN_NAME = 'post_hook_due'),
  'DO 0',
  'ALTER TABLE restore_journal ADD COLUMN locked_accounts LONGTEXT NULL,
    ADD COLUMN post_hook_due TINYINT(1) NOT NULL DEFAULT 0');
PREPARE change_table FROM @ddl;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;
