-- 004: triggers that record every change of an entity's status, category or activity, and maintain
-- the markers of the two "at most one" keys of 001; and a procedure that counts entities per
-- category.
--
-- Triggers and procedures are dropped and created again, because CREATE OR REPLACE exists only on
-- MariaDB and CREATE ... IF NOT EXISTS came to MySQL only with 8.0.29 (and would keep an outdated
-- body). A second run therefore ends in the same definitions. Writes that happen between DROP and
-- CREATE on such a second run are not recorded, so run it while no curator is working.
--
-- Privileges: TRIGGER and CREATE ROUTINE on the schema. With binary logging on (the default of
-- MySQL 8.0 and later, a choice on MariaDB) the server refuses CREATE TRIGGER with error 1419
-- unless the account has SUPER or the server runs with log_bin_trust_function_creators = 1; see
-- docs/schema.md.

CREATE TABLE IF NOT EXISTS entity_status_history (
  history_id    BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  entity_id     INT UNSIGNED NOT NULL,
  old_status    VARCHAR(16) COLLATE utf8mb4_bin NULL COMMENT 'NULL: the entity was new',
  new_status    VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  old_category  VARCHAR(16) COLLATE utf8mb4_bin NULL,
  new_category  VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  old_is_active BOOLEAN NULL,
  new_is_active BOOLEAN NOT NULL,
  changed_at    DATETIME(6) NOT NULL,
  PRIMARY KEY (history_id),
  KEY entity_status_history_entity (entity_id, changed_at),
  KEY entity_status_history_changed_at (changed_at),
  CONSTRAINT entity_status_history_entity_fk FOREIGN KEY (entity_id) REFERENCES entity (entity_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Written by triggers on entity; never by the application';

DROP TRIGGER IF EXISTS entity_before_insert;
DROP TRIGGER IF EXISTS entity_before_update;
DROP TRIGGER IF EXISTS entity_after_insert;
DROP TRIGGER IF EXISTS entity_after_update;
DROP TRIGGER IF EXISTS review_before_insert;
DROP TRIGGER IF EXISTS review_before_update;
DROP PROCEDURE IF EXISTS count_entities_per_category;

CREATE TRIGGER entity_before_insert BEFORE INSERT ON entity
FOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL);

CREATE TRIGGER entity_before_update BEFORE UPDATE ON entity
FOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL);

CREATE TRIGGER review_before_insert BEFORE INSERT ON review
FOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL);

CREATE TRIGGER review_before_update BEFORE UPDATE ON review
FOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL);

DELIMITER $$

CREATE TRIGGER entity_after_insert AFTER INSERT ON entity
FOR EACH ROW
BEGIN
  INSERT INTO entity_status_history (entity_id, new_status, new_category, new_is_active, changed_at)
  VALUES (NEW.entity_id, NEW.status, NEW.category, NEW.is_active, UTC_TIMESTAMP(6));
END$$

CREATE TRIGGER entity_after_update AFTER UPDATE ON entity
FOR EACH ROW
BEGIN
  -- An UPDATE that touches other columns only is not this table's business; it leaves no row.
  IF NEW.status <> OLD.status OR NEW.category <> OLD.category OR NEW.is_active <> OLD.is_active THEN
    INSERT INTO entity_status_history
      (entity_id, old_status, new_status, old_category, new_category, old_is_active, new_is_active, changed_at)
    VALUES
      (NEW.entity_id, OLD.status, NEW.status, OLD.category, NEW.category, OLD.is_active, NEW.is_active,
       UTC_TIMESTAMP(6));
  END IF;
END$$

CREATE PROCEDURE count_entities_per_category(IN active_only BOOLEAN)
  READS SQL DATA
  SQL SECURITY INVOKER
  COMMENT 'One row per category, also those without entities; active_only leaves replaced ones out'
BEGIN
  SELECT c.category, COUNT(e.entity_id) AS entities
  FROM entity_category AS c
  LEFT JOIN entity AS e
    ON e.category = c.category AND (e.is_active = 1 OR NOT active_only)
  GROUP BY c.category, c.sort
  ORDER BY c.sort;
END$$

DELIMITER ;

-- Entities older than the triggers get their first row of history.
INSERT INTO entity_status_history (entity_id, new_status, new_category, new_is_active, changed_at)
SELECT e.entity_id, e.status, e.category, e.is_active, e.created_at
FROM entity AS e
WHERE NOT EXISTS (SELECT 1 FROM entity_status_history AS h WHERE h.entity_id = e.entity_id);
