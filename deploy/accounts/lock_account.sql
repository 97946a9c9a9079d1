-- The account that locks the accounts of the site's program during a restore (RESTORE_LOCK_USER and
-- RESTORE_LOCK_PASSWORD of the backup worker). It can change every account, so it is created only if
-- the secret db_password_lock has a password; without one, accounts.sh drops it.
--
-- To run it manually, replace the placeholder.
--
-- Each statement ends at the end of a line.

CREATE USER IF NOT EXISTS 'sysndd_lock'@'%' IDENTIFIED BY {{lock_password}};
ALTER USER 'sysndd_lock'@'%' IDENTIFIED BY {{lock_password}};
GRANT CREATE USER, PROCESS ON *.* TO 'sysndd_lock'@'%';

-- To see which accounts exist and are locked, and which belong to the platform.
GRANT SELECT (User, Host, Db) ON mysql.db TO 'sysndd_lock'@'%';
/*M!100000 GRANT SELECT (User, Host, Priv) ON mysql.global_priv TO 'sysndd_lock'@'%' */;
/*!80000 GRANT SELECT (User, Host, account_locked) ON mysql.user TO 'sysndd_lock'@'%' */;

-- To end their sessions. (On MySQL, to lock an account that has SYSTEM_USER, also grant SYSTEM_USER.)
/*M!100000 GRANT CONNECTION ADMIN ON *.* TO 'sysndd_lock'@'%' */;
/*!80000 GRANT CONNECTION_ADMIN ON *.* TO 'sysndd_lock'@'%' */;
