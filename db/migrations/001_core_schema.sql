-- 001: core schema of the curation database: genes, diseases, modes of inheritance, the entities
-- that join the three, the publications and reviews behind them, and the people who curate.
--
-- Runs unchanged on MariaDB 10.6+ and MySQL 8.0+. Every table states its engine, character set and
-- collation, because the servers' defaults differ (utf8mb4_uca1400_ai_ci, utf8mb4_0900_ai_ci).
-- Times are DATETIME(6) in UTC: the defaults use CURRENT_TIMESTAMP, so sessions run with time_zone
-- = '+00:00'. Identifiers are utf8mb4 although their values are ASCII: an ascii column costs no
-- byte less, but comparing it with a search text such as 'é' is error 1267 (illegal mix of
-- collations) instead of no rows. Closed vocabularies compare byte by byte (utf8mb4_bin), so
-- 'viewer' is not a role while 'Viewer' is one.

-- People ------------------------------------------------------------------------------------------

-- The email address and user name are unique under a collation that ignores case and accents, so
-- that no account can imitate another one's name. It also means that a lookup may find a row whose
-- address is spelled differently: email is sent to the address stored here, never to the one
-- entered.
CREATE TABLE IF NOT EXISTS `user` (
  user_id       INT UNSIGNED NOT NULL AUTO_INCREMENT,
  user_name     VARCHAR(64) NOT NULL,
  email         VARCHAR(254) NOT NULL,
  password_hash VARCHAR(255) COLLATE utf8mb4_bin NULL COMMENT 'NULL: no password sign-in',
  first_name    VARCHAR(100) NULL,
  family_name   VARCHAR(100) NULL,
  orcid         VARCHAR(19) NULL COMMENT '0000-0000-0000-0000',
  comment       TEXT NULL,
  role          VARCHAR(32) COLLATE utf8mb4_bin NOT NULL DEFAULT 'Viewer',
  state         VARCHAR(32) COLLATE utf8mb4_bin NOT NULL DEFAULT 'unconfirmed',
  created_at    DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at    DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  confirmed_at  DATETIME(6) NULL,
  last_login_at DATETIME(6) NULL,
  PRIMARY KEY (user_id),
  UNIQUE KEY user_name_unique (user_name),
  UNIQUE KEY user_email_unique (email),
  KEY user_state_role (state, role),
  KEY user_family_name (family_name),
  CONSTRAINT user_role_known CHECK (role IN ('Administrator', 'Curator', 'Reviewer', 'Viewer')),
  CONSTRAINT user_state_known CHECK (state IN ('unconfirmed', 'awaiting_approval', 'active', 'deactivated'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Accounts of curators, reviewers and administrators';

-- Vocabularies ------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS gene (
  hgnc_id       VARCHAR(16) NOT NULL COMMENT 'HGNC:1234',
  symbol        VARCHAR(32) NOT NULL,
  name          VARCHAR(255) NOT NULL,
  alias_symbols VARCHAR(500) NULL COMMENT 'aliases and previous symbols, separated by |',
  created_at    DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at    DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (hgnc_id),
  UNIQUE KEY gene_symbol_unique (symbol),
  KEY gene_name (name),
  CONSTRAINT gene_hgnc_id_prefixed CHECK (hgnc_id LIKE 'HGNC:_%')
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Genes by HGNC id';

CREATE TABLE IF NOT EXISTS disease (
  disease_id    VARCHAR(32) NOT NULL COMMENT 'MONDO:0012345, OMIM:123456',
  name          VARCHAR(500) NOT NULL,
  definition    TEXT NULL,
  is_obsolete   BOOLEAN NOT NULL DEFAULT FALSE,
  created_at    DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at    DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (disease_id),
  KEY disease_name (name),
  CONSTRAINT disease_id_prefixed CHECK (disease_id LIKE '_%:_%')
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Diseases by ontology id';

CREATE TABLE IF NOT EXISTS mode_of_inheritance (
  inheritance_id VARCHAR(16) NOT NULL COMMENT 'HPO term, HP:0000006',
  term           VARCHAR(100) NOT NULL,
  short_term     VARCHAR(16) NOT NULL COMMENT 'as curators write it: AD, AR, XLR',
  sort           SMALLINT UNSIGNED NOT NULL,
  is_active      BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'offered for new entities',
  PRIMARY KEY (inheritance_id),
  UNIQUE KEY mode_of_inheritance_term_unique (term),
  KEY mode_of_inheritance_sort (sort),
  CONSTRAINT mode_of_inheritance_id_prefixed CHECK (inheritance_id LIKE 'HP:_%')
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Modes of inheritance by HPO term';

-- A table rather than an ENUM: a new category is a row, not an ALTER of the largest table.
CREATE TABLE IF NOT EXISTS entity_category (
  category    VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  description VARCHAR(255) NOT NULL,
  sort        SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (category),
  KEY entity_category_sort (sort)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Strength of the gene-disease association: Definitive, Moderate, Limited, Refuted';

CREATE TABLE IF NOT EXISTS publication (
  pmid             INT UNSIGNED NOT NULL COMMENT 'PubMed id without prefix',
  title            VARCHAR(1000) NOT NULL,
  authors          TEXT NULL,
  journal          VARCHAR(255) NULL,
  publication_year SMALLINT UNSIGNED NULL,
  abstract         MEDIUMTEXT NULL,
  keywords         JSON NULL COMMENT 'array of strings',
  created_at       DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (pmid),
  KEY publication_year_pmid (publication_year, pmid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Literature by PubMed id';

-- Curation ----------------------------------------------------------------------------------------

-- A published entity is never rewritten: a correction adds a new row and the old one becomes
-- inactive and points to it by replaced_by. active_marker is 1 or NULL, which makes the unique key
-- hold for active rows only (NULLs never collide) on servers without partial indexes. Triggers
-- maintain it (004); a writer never sets it. It is not a generated column on purpose: MariaDB
-- leaves those unread in CHECKSUM TABLE (MDEV-22943), so a table that has one gets another checksum
-- after a dump and restore of equal rows.
CREATE TABLE IF NOT EXISTS entity (
  entity_id      INT UNSIGNED NOT NULL AUTO_INCREMENT,
  hgnc_id        VARCHAR(16) NOT NULL,
  disease_id     VARCHAR(32) NOT NULL,
  inheritance_id VARCHAR(16) NOT NULL,
  category       VARCHAR(16) COLLATE utf8mb4_bin NOT NULL,
  status         VARCHAR(16) COLLATE utf8mb4_bin NOT NULL DEFAULT 'draft' COMMENT 'state of the curation',
  ndd_phenotype  BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'a neurodevelopmental phenotype is part of the disease',
  entry_user     INT UNSIGNED NOT NULL,
  created_at     DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  updated_at     DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  is_active      BOOLEAN NOT NULL DEFAULT TRUE,
  replaced_by    INT UNSIGNED NULL,
  active_marker  TINYINT NULL DEFAULT 1,
  PRIMARY KEY (entity_id),
  UNIQUE KEY entity_active_unique (hgnc_id, disease_id, inheritance_id, ndd_phenotype, active_marker),
  KEY entity_disease (disease_id),
  KEY entity_inheritance (inheritance_id),
  KEY entity_category_listing (category, is_active, entity_id),
  KEY entity_status_listing (status, is_active, entity_id),
  KEY entity_active_listing (is_active, created_at),
  KEY entity_entry_user (entry_user),
  KEY entity_replaced_by (replaced_by),
  CONSTRAINT entity_gene_fk FOREIGN KEY (hgnc_id) REFERENCES gene (hgnc_id),
  CONSTRAINT entity_disease_fk FOREIGN KEY (disease_id) REFERENCES disease (disease_id),
  CONSTRAINT entity_inheritance_fk FOREIGN KEY (inheritance_id) REFERENCES mode_of_inheritance (inheritance_id),
  CONSTRAINT entity_category_fk FOREIGN KEY (category) REFERENCES entity_category (category),
  CONSTRAINT entity_entry_user_fk FOREIGN KEY (entry_user) REFERENCES `user` (user_id),
  CONSTRAINT entity_replaced_by_fk FOREIGN KEY (replaced_by) REFERENCES entity (entity_id),
  CONSTRAINT entity_status_known CHECK (status IN ('draft', 'in_review', 'approved', 'rejected')),
  CONSTRAINT entity_replaced_is_inactive CHECK (replaced_by IS NULL OR is_active = 0),
  CONSTRAINT entity_active_marker_follows CHECK (active_marker <=> IF(is_active = 1, 1, NULL))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Gene, disease and mode of inheritance, with a category';

-- At most one review of an entity is the primary one; primary_marker works like active_marker
-- above.
CREATE TABLE IF NOT EXISTS review (
  review_id      INT UNSIGNED NOT NULL AUTO_INCREMENT,
  entity_id      INT UNSIGNED NOT NULL,
  synopsis       TEXT NOT NULL,
  comment        TEXT NULL,
  review_user    INT UNSIGNED NOT NULL,
  review_date    DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  is_primary     BOOLEAN NOT NULL DEFAULT FALSE,
  approved       BOOLEAN NOT NULL DEFAULT FALSE,
  approving_user INT UNSIGNED NULL,
  approved_at    DATETIME(6) NULL,
  primary_marker TINYINT NULL,
  PRIMARY KEY (review_id),
  UNIQUE KEY review_primary_unique (entity_id, primary_marker),
  KEY review_user_date (review_user, review_date),
  KEY review_date_listing (review_date),
  KEY review_approval_queue (approved, review_date),
  KEY review_approving_user (approving_user),
  CONSTRAINT review_entity_fk FOREIGN KEY (entity_id) REFERENCES entity (entity_id),
  CONSTRAINT review_user_fk FOREIGN KEY (review_user) REFERENCES `user` (user_id),
  CONSTRAINT review_approving_user_fk FOREIGN KEY (approving_user) REFERENCES `user` (user_id),
  CONSTRAINT review_primary_marker_follows CHECK (primary_marker <=> IF(is_primary = 1, 1, NULL))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Clinical synopses written for an entity';

CREATE TABLE IF NOT EXISTS review_publication (
  review_id        INT UNSIGNED NOT NULL,
  pmid             INT UNSIGNED NOT NULL,
  publication_type VARCHAR(16) COLLATE utf8mb4_bin NOT NULL DEFAULT 'additional',
  PRIMARY KEY (review_id, pmid),
  KEY review_publication_pmid (pmid),
  CONSTRAINT review_publication_review_fk FOREIGN KEY (review_id) REFERENCES review (review_id) ON DELETE CASCADE,
  CONSTRAINT review_publication_pmid_fk FOREIGN KEY (pmid) REFERENCES publication (pmid),
  CONSTRAINT review_publication_type_known CHECK (publication_type IN ('primary', 'additional', 'gene_review'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci
  COMMENT = 'Publications that a review rests on';
