CREATE OR REPLACE VIEW v_x AS
-- columns; here
SELECT 1 AS a, /* b; */ 2 AS b;
DROP VIEW v_x;
