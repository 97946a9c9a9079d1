-- 003: one row for each entity with the names of gene, disease, inheritance and category.
--
-- SQL SECURITY INVOKER: the reader's own privileges count, so the view keeps working when the
-- account that created it no longer exists or, after a restore on another server, never existed.
-- CREATE OR REPLACE is the same statement on MariaDB and MySQL, hence a second run changes nothing.
-- Every column is named (no SELECT *): a column added to a table later must not appear here by
-- accident.

CREATE OR REPLACE
  SQL SECURITY INVOKER
  VIEW entity_view AS
SELECT
  e.entity_id,
  e.hgnc_id,
  g.symbol,
  g.name           AS gene_name,
  e.disease_id,
  d.name           AS disease_name,
  e.inheritance_id,
  m.term           AS inheritance_term,
  m.short_term     AS inheritance_short_term,
  m.sort           AS inheritance_sort,
  e.category,
  c.sort           AS category_sort,
  e.status,
  e.ndd_phenotype,
  e.is_active,
  e.replaced_by,
  e.entry_user,
  e.created_at,
  e.updated_at
FROM entity AS e
JOIN gene AS g ON g.hgnc_id = e.hgnc_id
JOIN disease AS d ON d.disease_id = e.disease_id
JOIN mode_of_inheritance AS m ON m.inheritance_id = e.inheritance_id
JOIN entity_category AS c ON c.category = e.category;
