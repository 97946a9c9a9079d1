-- Schemas and accounts, each account with what its service needs and no more.
--
-- For MariaDB and MySQL alike; may run again at any time. `make up` fills in the names and passwords
-- and runs it against its private server. By hand: replace every placeholder in double braces, where
-- a *_pattern is the schema's name with each _ written as \_ (GRANT reads _ as "any character"), and
-- leave out a statement whose condition your server does not meet.
--
-- Each statement ends at the end of a line.

CREATE DATABASE IF NOT EXISTS {{schema}} CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS {{ops_schema}} CHARACTER SET utf8mb4;

-- The operator: people at the command line, preflight checks, the example data.
CREATE USER IF NOT EXISTS 'sysndd'@'%' IDENTIFIED BY {{operator_password}};
ALTER USER 'sysndd'@'%' IDENTIFIED BY {{operator_password}};
GRANT ALL PRIVILEGES ON *.* TO 'sysndd'@'%' WITH GRANT OPTION;

-- The API reads and writes rows; it never changes a table. (SHOW VIEW: health compares definitions.)
CREATE USER IF NOT EXISTS 'sysndd_api'@'%' IDENTIFIED BY {{api_password}};
ALTER USER 'sysndd_api'@'%' IDENTIFIED BY {{api_password}};
GRANT SELECT, INSERT, UPDATE, DELETE, SHOW VIEW ON {{schema_pattern}}.* TO 'sysndd_api'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON {{ops_schema_pattern}}.* TO 'sysndd_api'@'%';

-- The migrator changes tables, and tries changes out in scratch schemas named <schema>_….
-- PROCESS: to name the session that holds up a change.
CREATE USER IF NOT EXISTS 'sysndd_migrator'@'%' IDENTIFIED BY {{migrator_password}};
ALTER USER 'sysndd_migrator'@'%' IDENTIFIED BY {{migrator_password}};
GRANT ALL PRIVILEGES ON {{schema_pattern}}.* TO 'sysndd_migrator'@'%';
GRANT ALL PRIVILEGES ON {{ops_schema_pattern}}.* TO 'sysndd_migrator'@'%';
GRANT ALL PRIVILEGES ON {{scratch_pattern}}.* TO 'sysndd_migrator'@'%';
GRANT PROCESS ON *.* TO 'sysndd_migrator'@'%';

-- The backup worker dumps the application schema, loads dumps into scratch schemas, and puts them in
-- its place. The platform schema is not restored: rows there, no more. (A server looks at the most
-- exact grant alone, so the scratch pattern gives nothing in <schema>_ops.)
CREATE USER IF NOT EXISTS 'sysndd_backup'@'%' IDENTIFIED BY {{backup_password}};
ALTER USER 'sysndd_backup'@'%' IDENTIFIED BY {{backup_password}};
GRANT ALL PRIVILEGES ON {{schema_pattern}}.* TO 'sysndd_backup'@'%';
GRANT ALL PRIVILEGES ON {{scratch_pattern}}.* TO 'sysndd_backup'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON {{ops_schema_pattern}}.* TO 'sysndd_backup'@'%';
GRANT RELOAD, PROCESS ON *.* TO 'sysndd_backup'@'%';

-- A restore loads backups by an account that can do nothing outside of its scratch schemas: a file
-- may hold any statement. (BACKUP_LOAD_USER and BACKUP_LOAD_PASSWORD of the backup worker.)
CREATE USER IF NOT EXISTS 'sysndd_load'@'%' IDENTIFIED BY {{load_password}};
ALTER USER 'sysndd_load'@'%' IDENTIFIED BY {{load_password}};
GRANT ALL PRIVILEGES ON {{shadow_pattern}}.* TO 'sysndd_load'@'%';

-- A dump holds the text of routines that another account defined …
/*M!100000 GRANT SELECT ON `mysql`.`proc` TO 'sysndd_backup'@'%' */;
-- only where the server knows: BACKUP_ADMIN
GRANT BACKUP_ADMIN ON *.* TO 'sysndd_backup'@'%';
-- only where the server knows: SHOW_ROUTINE
GRANT SHOW_ROUTINE ON *.* TO 'sysndd_backup'@'%';
-- only where the server knows: SHOW CREATE ROUTINE
GRANT SHOW CREATE ROUTINE ON *.* TO 'sysndd_backup'@'%';

-- … and an undo, or a restore that is taken back, makes the previous views, triggers, routines and
-- events again for the account that defined them. (Those of a backup become the worker's own.) The
-- right to do so is SET USER on MariaDB; on MySQL it was SET_USER_ID up to 8.3, and is two rights
-- since 8.2: for accounts that exist, and for those that don't any more.
-- only where the server knows: SET USER
GRANT SET USER ON *.* TO 'sysndd_backup'@'%';
-- only where the server knows: SET_ANY_DEFINER
GRANT SET_ANY_DEFINER ON *.* TO 'sysndd_backup'@'%';
-- only where the server knows: ALLOW_NONEXISTENT_DEFINER
GRANT ALLOW_NONEXISTENT_DEFINER ON *.* TO 'sysndd_backup'@'%';
-- only where the server knows: SET_USER_ID
GRANT SET_USER_ID ON *.* TO 'sysndd_backup'@'%';

-- The mailer takes mails from the outbox, records what became of them, and strikes off workers that
-- are gone.
CREATE USER IF NOT EXISTS 'sysndd_mailer'@'%' IDENTIFIED BY {{mailer_password}};
ALTER USER 'sysndd_mailer'@'%' IDENTIFIED BY {{mailer_password}};
GRANT SELECT, INSERT, UPDATE, DELETE ON {{ops_schema_pattern}}.* TO 'sysndd_mailer'@'%';
GRANT SELECT ON {{schema_pattern}}.* TO 'sysndd_mailer'@'%';
