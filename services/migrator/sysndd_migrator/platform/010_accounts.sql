-- Changes of address, confirmed at both ends, and the clients that have signed in before.
-- Names are not qualified: the migrator runs this file inside OPS_DB_NAME.

CREATE TABLE IF NOT EXISTS email_change (
  id               CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_id          INT UNSIGNED NOT NULL,
  new_email        VARCHAR(254) NOT NULL,
  -- account_token.id of the links in the two mails.
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

-- Who guesses at somebody's password from everywhere can get every unknown client refused, but not the
-- clients that the account has signed in from before: they are let pass.
CREATE TABLE IF NOT EXISTS known_client (
  user_id       INT UNSIGNED NOT NULL,
  -- SHA-256 of the client's address, or of its /64 network.
  client        BINARY(32) NOT NULL,
  seen_at       DATETIME(6) NOT NULL,
  PRIMARY KEY (user_id, client),
  KEY known_client_seen (seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
