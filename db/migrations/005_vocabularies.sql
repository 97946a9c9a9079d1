-- 005: the rows of the two closed vocabularies; names that contain only spaces become NULL.
--
-- Data only, in one transaction: if any statement fails, all changes are rolled back. No statement
-- commits implicitly.
--
-- Running it again adds only missing rows and keeps terms that a curator changed. INSERT IGNORE
-- would do the same, but it turns every other error of the statement (a truncated value, a violated
-- foreign key) into a warning; ON DUPLICATE KEY UPDATE would overwrite the terms.

START TRANSACTION;

-- Terms of the Human Phenotype Ontology, below HP:0000005 "Mode of inheritance".
INSERT INTO mode_of_inheritance (inheritance_id, term, short_term, sort)
SELECT wanted.inheritance_id, wanted.term, wanted.short_term, wanted.sort
FROM (
  SELECT 'HP:0000006' AS inheritance_id, 'Autosomal dominant inheritance' AS term, 'AD' AS short_term, 10 AS sort
  UNION ALL SELECT 'HP:0000007', 'Autosomal recessive inheritance', 'AR', 20
  UNION ALL SELECT 'HP:0032113', 'Semidominant inheritance', 'SD', 30
  UNION ALL SELECT 'HP:0001417', 'X-linked inheritance', 'XL', 40
  UNION ALL SELECT 'HP:0001423', 'X-linked dominant inheritance', 'XLD', 50
  UNION ALL SELECT 'HP:0001419', 'X-linked recessive inheritance', 'XLR', 60
  UNION ALL SELECT 'HP:0012274', 'Autosomal dominant inheritance with paternal imprinting', 'AD-pat', 70
  UNION ALL SELECT 'HP:0012275', 'Autosomal dominant inheritance with maternal imprinting', 'AD-mat', 80
  UNION ALL SELECT 'HP:0001427', 'Mitochondrial inheritance', 'MT', 90
  UNION ALL SELECT 'HP:0010984', 'Digenic inheritance', 'DG', 100
  UNION ALL SELECT 'HP:0001442', 'Typified by somatic mosaicism', 'SOM', 110
  UNION ALL SELECT 'HP:0003745', 'Sporadic', 'SP', 120
) AS wanted
WHERE NOT EXISTS (
  SELECT 1 FROM mode_of_inheritance AS present
  WHERE present.inheritance_id = CONVERT(wanted.inheritance_id USING utf8mb4) COLLATE utf8mb4_unicode_ci
);

INSERT INTO entity_category (category, description, sort)
SELECT wanted.category, wanted.description, wanted.sort
FROM (
  SELECT 'Definitive' AS category, 'Repeatedly shown, in research and diagnostics, and upheld over time' AS description, 10 AS sort
  UNION ALL SELECT 'Moderate', 'Supported by genetic and experimental evidence, not yet replicated enough', 20
  UNION ALL SELECT 'Limited', 'Few cases or weak evidence so far', 30
  UNION ALL SELECT 'Refuted', 'Reported once, contradicted by later evidence', 40
) AS wanted
WHERE NOT EXISTS (
  SELECT 1 FROM entity_category AS present
  WHERE present.category = CONVERT(wanted.category USING utf8mb4) COLLATE utf8mb4_bin
);

-- updated_at is set to itself so that the change does not count as an edit of the account.
-- Under a padding collation, a VARCHAR that contains only spaces equals '', so TRIM is not needed.
UPDATE `user` SET first_name = NULL, updated_at = updated_at WHERE first_name = '';
UPDATE `user` SET family_name = NULL, updated_at = updated_at WHERE family_name = '';
UPDATE `user` SET orcid = NULL, updated_at = updated_at WHERE orcid = '';
UPDATE `user` SET comment = NULL, updated_at = updated_at WHERE comment = '';

COMMIT;
