-- Schemas and accounts; each account has only the privileges that its service needs.
--
-- For MariaDB and MySQL; idempotent. `make up` fills in the names and passwords and runs this file
-- on its private server. To run it manually, replace every placeholder in double braces, and omit
-- the statements that require a privilege your server does not have (SHOW PRIVILEGES). A *_pattern
-- is the name of the schema with each _ written as \_, because _ matches any character in GRANT.
--
-- Each statement ends at the end of a line.

CREATE DATABASE IF NOT EXISTS {{schema}} CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS {{ops_schema}} CHARACTER SET utf8mb4;

-- The operator: people on the command line, preflight checks, the example data.
CREATE USER IF NOT EXISTS 'sysndd'@'%' IDENTIFIED BY {{operator_password}};
ALTER USER 'sysndd'@'%' IDENTIFIED BY {{operator_password}};
GRANT ALL PRIVILEGES ON *.* TO 'sysndd'@'%' WITH GRANT OPTION;

-- The API reads and writes rows; it never alters tables. (SHOW VIEW: health compares definitions.)
CREATE USER IF NOT EXISTS 'sysndd_api'@'%' IDENTIFIED BY {{api_password}};
ALTER USER 'sysndd_api'@'%' IDENTIFIED BY {{api_password}};
GRANT SELECT, INSERT, UPDATE, DELETE, SHOW VIEW ON {{schema_pattern}}.* TO 'sysndd_api'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON {{ops_schema_pattern}}.* TO 'sysndd_api'@'%';

-- The migrator alters tables and tests migrations in scratch schemas named <schema>_….
-- PROCESS: to identify the session that blocks a migration.
CREATE USER IF NOT EXISTS 'sysndd_migrator'@'%' IDENTIFIED BY {{migrator_password}};
ALTER USER 'sysndd_migrator'@'%' IDENTIFIED BY {{migrator_password}};
GRANT ALL PRIVILEGES ON {{schema_pattern}}.* TO 'sysndd_migrator'@'%';
GRANT ALL PRIVILEGES ON {{ops_schema_pattern}}.* TO 'sysndd_migrator'@'%';
GRANT ALL PRIVILEGES ON {{scratch_pattern}}.* TO 'sysndd_migrator'@'%';
GRANT PROCESS ON *.* TO 'sysndd_migrator'@'%';

-- The backup worker dumps the application schema, loads dumps into scratch schemas, and replaces
-- the application schema by them. The platform schema is not restored, so access to its rows
-- suffices. (A server applies only the most specific grant, so the scratch pattern does not apply
-- to <schema>_ops.)
CREATE USER IF NOT EXISTS 'sysndd_backup'@'%' IDENTIFIED BY {{backup_password}};
ALTER USER 'sysndd_backup'@'%' IDENTIFIED BY {{backup_password}};
GRANT ALL PRIVILEGES ON {{schema_pattern}}.* TO 'sysndd_backup'@'%';
GRANT ALL PRIVILEGES ON {{scratch_pattern}}.* TO 'sysndd_backup'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON {{ops_schema_pattern}}.* TO 'sysndd_backup'@'%';
GRANT RELOAD, PROCESS ON *.* TO 'sysndd_backup'@'%';

-- A restore loads backups with an account that has no privileges outside of its scratch schemas,
-- because a dump may contain any statement. (BACKUP_LOAD_USER and BACKUP_LOAD_PASSWORD of the
-- backup worker.)
CREATE USER IF NOT EXISTS 'sysndd_load'@'%' IDENTIFIED BY {{load_password}};
ALTER USER 'sysndd_load'@'%' IDENTIFIED BY {{load_password}};
GRANT ALL PRIVILEGES ON {{shadow_pattern}}.* TO 'sysndd_load'@'%';

-- To dump routines that another account defined.
/*M!100000 GRANT SELECT ON `mysql`.`proc` TO 'sysndd_backup'@'%' */;
-- requires privilege: BACKUP_ADMIN
GRANT BACKUP_ADMIN ON *.* TO 'sysndd_backup'@'%';
-- requires privilege: SHOW_ROUTINE
GRANT SHOW_ROUTINE ON *.* TO 'sysndd_backup'@'%';
-- requires privilege: SHOW CREATE ROUTINE
GRANT SHOW CREATE ROUTINE ON *.* TO 'sysndd_backup'@'%';

-- To recreate the previous views, triggers, routines and events with their original definer when a
-- restore is undone or rolled back. (Those of a backup get the worker's account as definer.) The
-- privilege is SET USER on MariaDB. On MySQL it is SET_USER_ID up to 8.3; since 8.2 there are two
-- privileges, for definers that exist and for those that do not.
-- requires privilege: SET USER
GRANT SET USER ON *.* TO 'sysndd_backup'@'%';
-- requires privilege: SET_ANY_DEFINER
GRANT SET_ANY_DEFINER ON *.* TO 'sysndd_backup'@'%';
-- requires privilege: ALLOW_NONEXISTENT_DEFINER
GRANT ALLOW_NONEXISTENT_DEFINER ON *.* TO 'sysndd_backup'@'%';
-- requires privilege: SET_USER_ID
GRANT SET_USER_ID ON *.* TO 'sysndd_backup'@'%';

-- The mailer claims emails from the outbox, records their delivery status, and removes workers that
-- have ended.
CREATE USER IF NOT EXISTS 'sysndd_mailer'@'%' IDENTIFIED BY {{mailer_password}};
ALTER USER 'sysndd_mailer'@'%' IDENTIFIED BY {{mailer_password}};
GRANT SELECT, INSERT, UPDATE, DELETE ON {{ops_schema_pattern}}.* TO 'sysndd_mailer'@'%';
GRANT SELECT ON {{schema_pattern}}.* TO 'sysndd_mailer'@'%';
