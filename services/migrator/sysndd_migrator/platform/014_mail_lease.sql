-- One index less to write with every claim, every heartbeat and every end of a mail. It served one look in ten
-- seconds for leases that have run out, and rows that run are few: `mail_due` finds them by their state.
-- Names are not qualified: the migrator runs this file inside OPS_DB_NAME.

SET @ddl = IF(
  EXISTS (
    SELECT 1 FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'mail' AND INDEX_NAME = 'mail_lease'
  ),
  'ALTER TABLE mail DROP KEY mail_lease',
  'DO 0'
);
PREPARE drop_index FROM @ddl;
EXECUTE drop_index;
DEALLOCATE PREPARE drop_index;
