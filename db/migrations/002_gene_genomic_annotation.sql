-- 002: where a gene lies on GRCh38 and how well it tolerates variation (gnomAD).
--
-- Running this file again succeeds and changes nothing, on MySQL and MariaDB alike, also when an
-- earlier run got only part of the way or a site has added one of the columns by hand (MIGR-05).
-- ADD COLUMN IF NOT EXISTS would be shorter but is a syntax error on MySQL, so the file queries
-- information_schema for what is missing and sends that as ONE prepared ALTER TABLE, which is
-- atomic on both servers. If nothing is missing, it sends DO 0.
--
-- The columns of the derived tables take the connection's collation and those of information_schema
-- have their own; the explicit COLLATE keeps the comparison from being an illegal mix (1267) on
-- either server.

-- MySQL truncates GROUP_CONCAT to 1024 bytes by default; a truncated ALTER would be a syntax error.
SET @saved_group_concat_max_len = @@SESSION.group_concat_max_len;
SET SESSION group_concat_max_len = 65536;

-- Columns. Coordinates are 1-based and inclusive, as Ensembl and the UCSC browser print them.
SET @missing = (
  SELECT GROUP_CONCAT(wanted.clause ORDER BY wanted.position SEPARATOR ', ')
  FROM (
    SELECT 1 AS position, 'chromosome' AS name,
           'ADD COLUMN chromosome VARCHAR(8) NULL COMMENT ''1-22, X, Y or MT''' AS clause
    UNION ALL SELECT 2, 'start_grch38', 'ADD COLUMN start_grch38 INT UNSIGNED NULL COMMENT ''first base, 1-based'''
    UNION ALL SELECT 3, 'end_grch38', 'ADD COLUMN end_grch38 INT UNSIGNED NULL COMMENT ''last base, inclusive'''
    UNION ALL SELECT 4, 'strand', 'ADD COLUMN strand CHAR(1) NULL COMMENT ''+ or -'''
    UNION ALL SELECT 5, 'bed_hg38', 'ADD COLUMN bed_hg38 VARCHAR(40) NULL COMMENT ''chrN:start-end, for genome browsers'''
    UNION ALL SELECT 6, 'ensembl_gene_id', 'ADD COLUMN ensembl_gene_id VARCHAR(32) NULL COMMENT ''ENSG00000144285'''
    UNION ALL SELECT 7, 'gnomad_pli', 'ADD COLUMN gnomad_pli DECIMAL(9,8) NULL COMMENT ''0 to 1; 0.9 and more: intolerant of loss of function'''
    UNION ALL SELECT 8, 'gnomad_loeuf', 'ADD COLUMN gnomad_loeuf DECIMAL(6,4) NULL COMMENT ''upper bound of observed/expected loss of function'''
    UNION ALL SELECT 9, 'gnomad_missense_z', 'ADD COLUMN gnomad_missense_z DECIMAL(7,4) NULL COMMENT ''missense z score'''
  ) AS wanted
  WHERE NOT EXISTS (
    SELECT 1 FROM information_schema.COLUMNS AS present
    WHERE present.TABLE_SCHEMA = DATABASE() AND present.TABLE_NAME = 'gene'
      AND CONVERT(present.COLUMN_NAME USING utf8mb4) COLLATE utf8mb4_general_ci
        = CONVERT(wanted.name USING utf8mb4) COLLATE utf8mb4_general_ci
  )
);
SET @ddl = COALESCE(CONCAT('ALTER TABLE gene ', @missing), 'DO 0');
PREPARE add_columns FROM @ddl;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;

-- Indexes: genes in a range of a chromosome, and lookup by Ensembl ID.
SET @missing = (
  SELECT GROUP_CONCAT(wanted.clause ORDER BY wanted.position SEPARATOR ', ')
  FROM (
    SELECT 1 AS position, 'gene_location' AS name,
           'ADD INDEX gene_location (chromosome, start_grch38)' AS clause
    UNION ALL SELECT 2, 'gene_ensembl_gene_id', 'ADD INDEX gene_ensembl_gene_id (ensembl_gene_id)'
  ) AS wanted
  WHERE NOT EXISTS (
    SELECT 1 FROM information_schema.STATISTICS AS present
    WHERE present.TABLE_SCHEMA = DATABASE() AND present.TABLE_NAME = 'gene'
      AND CONVERT(present.INDEX_NAME USING utf8mb4) COLLATE utf8mb4_general_ci
        = CONVERT(wanted.name USING utf8mb4) COLLATE utf8mb4_general_ci
  )
);
SET @ddl = COALESCE(CONCAT('ALTER TABLE gene ', @missing), 'DO 0');
PREPARE add_indexes FROM @ddl;
EXECUTE add_indexes;
DEALLOCATE PREPARE add_indexes;

-- Constraints for every row.
SET @missing = (
  SELECT GROUP_CONCAT(wanted.clause ORDER BY wanted.position SEPARATOR ', ')
  FROM (
    SELECT 1 AS position, 'gene_strand_known' AS name,
           'ADD CONSTRAINT gene_strand_known CHECK (strand IN (''+'', ''-''))' AS clause
    UNION ALL SELECT 2, 'gene_span_ordered', 'ADD CONSTRAINT gene_span_ordered CHECK (start_grch38 <= end_grch38)'
    UNION ALL SELECT 3, 'gene_pli_is_probability', 'ADD CONSTRAINT gene_pli_is_probability CHECK (gnomad_pli BETWEEN 0 AND 1)'
  ) AS wanted
  WHERE NOT EXISTS (
    SELECT 1 FROM information_schema.TABLE_CONSTRAINTS AS present
    WHERE present.TABLE_SCHEMA = DATABASE() AND present.TABLE_NAME = 'gene'
      AND CONVERT(present.CONSTRAINT_NAME USING utf8mb4) COLLATE utf8mb4_general_ci
        = CONVERT(wanted.name USING utf8mb4) COLLATE utf8mb4_general_ci
  )
);
SET @ddl = COALESCE(CONCAT('ALTER TABLE gene ', @missing), 'DO 0');
PREPARE add_constraints FROM @ddl;
EXECUTE add_constraints;
DEALLOCATE PREPARE add_constraints;

SET SESSION group_concat_max_len = @saved_group_concat_max_len;
