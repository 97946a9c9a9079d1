/*M!999999\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: 127.0.0.1    Database: sysndd
-- ------------------------------------------------------
-- Server version	10.11.19-MariaDB-0+deb12u1

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

--
-- Current Database: `sysndd`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `sysndd` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */;

USE `sysndd`;

--
-- Table structure for table `a table`
--

DROP TABLE IF EXISTS `a table`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `a table` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `parent` int(11) DEFAULT NULL,
  `title` varchar(100) DEFAULT NULL,
  `body` longblob DEFAULT NULL,
  `doubled` int(11) GENERATED ALWAYS AS (char_length(`title`) * 2) STORED,
  `document` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`document`)),
  PRIMARY KEY (`id`),
  KEY `up` (`parent`),
  CONSTRAINT `up` FOREIGN KEY (`parent`) REFERENCES `a table` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `a table`
--

LOCK TABLES `a table` WRITE;
/*!40000 ALTER TABLE `a table` DISABLE KEYS */;
INSERT INTO `a table` VALUES
(1,NULL,'line\nbreak),\n(\'quote','\0\n\r\Z\"\'\\�',40,'{\"a\": \"),(\"}'),
(2,1,'back\\slash 🧬 é','',28,NULL);
/*!40000 ALTER TABLE `a table` ENABLE KEYS */;
UNLOCK TABLES;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`tester`@`%`*/ /*!50003 TRIGGER title_is_set BEFORE INSERT ON `a table` FOR EACH ROW
BEGIN
  IF NEW.title IS NULL THEN SET NEW.title = 'no; title'; END IF;
END 
*/;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;

--
-- Table structure for table `disease`
--

DROP TABLE IF EXISTS `disease`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `disease` (
  `disease_id` varchar(32) NOT NULL COMMENT 'MONDO:0012345, OMIM:123456',
  `name` varchar(500) NOT NULL,
  `definition` text DEFAULT NULL,
  `is_obsolete` tinyint(1) NOT NULL DEFAULT 0,
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  PRIMARY KEY (`disease_id`),
  KEY `disease_name` (`name`),
  CONSTRAINT `disease_id_prefixed` CHECK (`disease_id` like '_%:_%')
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Diseases by ontology id';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `disease`
--

LOCK TABLES `disease` WRITE;
/*!40000 ALTER TABLE `disease` DISABLE KEYS */;
/*!40000 ALTER TABLE `disease` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Temporary table structure for view `doubled`
--

DROP TABLE IF EXISTS `doubled`;
/*!50001 DROP VIEW IF EXISTS `doubled`*/;
SET @saved_cs_client     = @@character_set_client;
SET character_set_client = utf8mb4;
/*!50001 CREATE VIEW `doubled` AS SELECT
 NULL AS `id`,
 NULL AS `title`,
 NULL AS `n` */;
SET character_set_client = @saved_cs_client;

--
-- Table structure for table `entity`
--

DROP TABLE IF EXISTS `entity`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `entity` (
  `entity_id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `hgnc_id` varchar(16) NOT NULL,
  `disease_id` varchar(32) NOT NULL,
  `inheritance_id` varchar(16) NOT NULL,
  `category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'draft' COMMENT 'state of the curation',
  `ndd_phenotype` tinyint(1) NOT NULL DEFAULT 1 COMMENT 'a neurodevelopmental phenotype is part of the disease',
  `entry_user` int(10) unsigned NOT NULL,
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  `is_active` tinyint(1) NOT NULL DEFAULT 1,
  `replaced_by` int(10) unsigned DEFAULT NULL,
  `active_marker` tinyint(4) DEFAULT 1,
  PRIMARY KEY (`entity_id`),
  UNIQUE KEY `entity_active_unique` (`hgnc_id`,`disease_id`,`inheritance_id`,`ndd_phenotype`,`active_marker`),
  KEY `entity_disease` (`disease_id`),
  KEY `entity_inheritance` (`inheritance_id`),
  KEY `entity_category_listing` (`category`,`is_active`,`entity_id`),
  KEY `entity_status_listing` (`status`,`is_active`,`entity_id`),
  KEY `entity_active_listing` (`is_active`,`created_at`),
  KEY `entity_entry_user` (`entry_user`),
  KEY `entity_replaced_by` (`replaced_by`),
  CONSTRAINT `entity_category_fk` FOREIGN KEY (`category`) REFERENCES `entity_category` (`category`),
  CONSTRAINT `entity_disease_fk` FOREIGN KEY (`disease_id`) REFERENCES `disease` (`disease_id`),
  CONSTRAINT `entity_entry_user_fk` FOREIGN KEY (`entry_user`) REFERENCES `user` (`user_id`),
  CONSTRAINT `entity_gene_fk` FOREIGN KEY (`hgnc_id`) REFERENCES `gene` (`hgnc_id`),
  CONSTRAINT `entity_inheritance_fk` FOREIGN KEY (`inheritance_id`) REFERENCES `mode_of_inheritance` (`inheritance_id`),
  CONSTRAINT `entity_replaced_by_fk` FOREIGN KEY (`replaced_by`) REFERENCES `entity` (`entity_id`),
  CONSTRAINT `entity_status_known` CHECK (`status` in ('draft','in_review','approved','rejected')),
  CONSTRAINT `entity_replaced_is_inactive` CHECK (`replaced_by` is null or `is_active` = 0),
  CONSTRAINT `entity_active_marker_follows` CHECK (`active_marker` <=> if(`is_active` = 1,1,NULL))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Gene, disease and mode of inheritance, with a category';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `entity`
--

LOCK TABLES `entity` WRITE;
/*!40000 ALTER TABLE `entity` DISABLE KEYS */;
/*!40000 ALTER TABLE `entity` ENABLE KEYS */;
UNLOCK TABLES;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`tester`@`%`*/ /*!50003 TRIGGER entity_before_insert BEFORE INSERT ON entity
FOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL) 
*/;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`tester`@`%`*/ /*!50003 TRIGGER entity_after_insert AFTER INSERT ON entity
FOR EACH ROW
BEGIN
  INSERT INTO entity_status_history (entity_id, new_status, new_category, new_is_active, changed_at)
  VALUES (NEW.entity_id, NEW.status, NEW.category, NEW.is_active, UTC_TIMESTAMP(6));
END 
*/;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`tester`@`%`*/ /*!50003 TRIGGER entity_before_update BEFORE UPDATE ON entity
FOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL) 
*/;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`tester`@`%`*/ /*!50003 TRIGGER entity_after_update AFTER UPDATE ON entity
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
END 
*/;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;

--
-- Table structure for table `entity_category`
--

DROP TABLE IF EXISTS `entity_category`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `entity_category` (
  `category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `description` varchar(255) NOT NULL,
  `sort` smallint(5) unsigned NOT NULL,
  PRIMARY KEY (`category`),
  KEY `entity_category_sort` (`sort`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Strength of the gene-disease association: Definitive, Moderate, Limited, Refuted';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `entity_category`
--

LOCK TABLES `entity_category` WRITE;
/*!40000 ALTER TABLE `entity_category` DISABLE KEYS */;
INSERT INTO `entity_category` VALUES
('Definitive','Repeatedly shown, in research and diagnostics, and upheld over time',10),
('Limited','Few cases or weak evidence so far',30),
('Moderate','Supported by genetic and experimental evidence, not yet replicated enough',20),
('Refuted','Reported once, contradicted by later evidence',40);
/*!40000 ALTER TABLE `entity_category` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `entity_status_history`
--

DROP TABLE IF EXISTS `entity_status_history`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `entity_status_history` (
  `history_id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `entity_id` int(10) unsigned NOT NULL,
  `old_status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'NULL: the entity was new',
  `new_status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `old_category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,
  `new_category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `old_is_active` tinyint(1) DEFAULT NULL,
  `new_is_active` tinyint(1) NOT NULL,
  `changed_at` datetime(6) NOT NULL,
  PRIMARY KEY (`history_id`),
  KEY `entity_status_history_entity` (`entity_id`,`changed_at`),
  KEY `entity_status_history_changed_at` (`changed_at`),
  CONSTRAINT `entity_status_history_entity_fk` FOREIGN KEY (`entity_id`) REFERENCES `entity` (`entity_id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Written by triggers on entity; never by the application';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `entity_status_history`
--

LOCK TABLES `entity_status_history` WRITE;
/*!40000 ALTER TABLE `entity_status_history` DISABLE KEYS */;
/*!40000 ALTER TABLE `entity_status_history` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Temporary table structure for view `entity_view`
--

DROP TABLE IF EXISTS `entity_view`;
/*!50001 DROP VIEW IF EXISTS `entity_view`*/;
SET @saved_cs_client     = @@character_set_client;
SET character_set_client = utf8mb4;
/*!50001 CREATE VIEW `entity_view` AS SELECT
 NULL AS `entity_id`,
 NULL AS `hgnc_id`,
 NULL AS `symbol`,
 NULL AS `gene_name`,
 NULL AS `disease_id`,
 NULL AS `disease_name`,
 NULL AS `inheritance_id`,
 NULL AS `inheritance_term`,
 NULL AS `inheritance_short_term`,
 NULL AS `inheritance_sort`,
 NULL AS `category`,
 NULL AS `category_sort`,
 NULL AS `status`,
 NULL AS `ndd_phenotype`,
 NULL AS `is_active`,
 NULL AS `replaced_by`,
 NULL AS `entry_user`,
 NULL AS `created_at`,
 NULL AS `updated_at` */;
SET character_set_client = @saved_cs_client;

--
-- Table structure for table `gene`
--

DROP TABLE IF EXISTS `gene`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `gene` (
  `hgnc_id` varchar(16) NOT NULL COMMENT 'HGNC:1234',
  `symbol` varchar(32) NOT NULL,
  `name` varchar(255) NOT NULL,
  `alias_symbols` varchar(500) DEFAULT NULL COMMENT 'aliases and previous symbols, separated by |',
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  `chromosome` varchar(8) DEFAULT NULL COMMENT '1-22, X, Y or MT',
  `start_grch38` int(10) unsigned DEFAULT NULL COMMENT 'first base, 1-based',
  `end_grch38` int(10) unsigned DEFAULT NULL COMMENT 'last base, inclusive',
  `strand` char(1) DEFAULT NULL COMMENT '+ or -',
  `bed_hg38` varchar(40) DEFAULT NULL COMMENT 'chrN:start-end, for genome browsers',
  `ensembl_gene_id` varchar(32) DEFAULT NULL COMMENT 'ENSG00000144285',
  `gnomad_pli` decimal(9,8) DEFAULT NULL COMMENT '0 to 1; 0.9 and more: intolerant of loss of function',
  `gnomad_loeuf` decimal(6,4) DEFAULT NULL COMMENT 'upper bound of observed/expected loss of function',
  `gnomad_missense_z` decimal(7,4) DEFAULT NULL COMMENT 'missense z score',
  PRIMARY KEY (`hgnc_id`),
  UNIQUE KEY `gene_symbol_unique` (`symbol`),
  KEY `gene_name` (`name`),
  KEY `gene_location` (`chromosome`,`start_grch38`),
  KEY `gene_ensembl_gene_id` (`ensembl_gene_id`),
  CONSTRAINT `gene_hgnc_id_prefixed` CHECK (`hgnc_id` like 'HGNC:_%'),
  CONSTRAINT `gene_strand_known` CHECK (`strand` in ('+','-')),
  CONSTRAINT `gene_span_ordered` CHECK (`start_grch38` <= `end_grch38`),
  CONSTRAINT `gene_pli_is_probability` CHECK (`gnomad_pli` between 0 and 1)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Genes by HGNC id';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `gene`
--

LOCK TABLES `gene` WRITE;
/*!40000 ALTER TABLE `gene` DISABLE KEYS */;
INSERT INTO `gene` VALUES
('HGNC:1','BACKED_UP','in the backup',NULL,'2026-11-30 18:07:21.158859','2026-11-30 18:07:21.158859',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('HGNC:2','BOTH','in the backup as well',NULL,'2026-11-30 18:07:21.158859','2026-11-30 18:07:21.158859',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
/*!40000 ALTER TABLE `gene` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `mode_of_inheritance`
--

DROP TABLE IF EXISTS `mode_of_inheritance`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `mode_of_inheritance` (
  `inheritance_id` varchar(16) NOT NULL COMMENT 'HPO term, HP:0000006',
  `term` varchar(100) NOT NULL,
  `short_term` varchar(16) NOT NULL COMMENT 'as curators write it: AD, AR, XLR',
  `sort` smallint(5) unsigned NOT NULL,
  `is_active` tinyint(1) NOT NULL DEFAULT 1 COMMENT 'offered for new entities',
  PRIMARY KEY (`inheritance_id`),
  UNIQUE KEY `mode_of_inheritance_term_unique` (`term`),
  KEY `mode_of_inheritance_sort` (`sort`),
  CONSTRAINT `mode_of_inheritance_id_prefixed` CHECK (`inheritance_id` like 'HP:_%')
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Modes of inheritance by HPO term';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `mode_of_inheritance`
--

LOCK TABLES `mode_of_inheritance` WRITE;
/*!40000 ALTER TABLE `mode_of_inheritance` DISABLE KEYS */;
INSERT INTO `mode_of_inheritance` VALUES
('HP:0000006','Autosomal dominant inheritance','AD',10,1),
('HP:0000007','Autosomal recessive inheritance','AR',20,1),
('HP:0001417','X-linked inheritance','XL',40,1),
('HP:0001419','X-linked recessive inheritance','XLR',60,1),
('HP:0001423','X-linked dominant inheritance','XLD',50,1),
('HP:0001427','Mitochondrial inheritance','MT',90,1),
('HP:0001442','Typified by somatic mosaicism','SOM',110,1),
('HP:0003745','Sporadic','SP',120,1),
('HP:0010984','Digenic inheritance','DG',100,1),
('HP:0012274','Autosomal dominant inheritance with paternal imprinting','AD-pat',70,1),
('HP:0012275','Autosomal dominant inheritance with maternal imprinting','AD-mat',80,1),
('HP:0032113','Semidominant inheritance','SD',30,1);
/*!40000 ALTER TABLE `mode_of_inheritance` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `publication`
--

DROP TABLE IF EXISTS `publication`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `publication` (
  `pmid` int(10) unsigned NOT NULL COMMENT 'PubMed id without prefix',
  `title` varchar(1000) NOT NULL,
  `authors` text DEFAULT NULL,
  `journal` varchar(255) DEFAULT NULL,
  `publication_year` smallint(5) unsigned DEFAULT NULL,
  `abstract` mediumtext DEFAULT NULL,
  `keywords` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'array of strings' CHECK (json_valid(`keywords`)),
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  PRIMARY KEY (`pmid`),
  KEY `publication_year_pmid` (`publication_year`,`pmid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Literature by PubMed id';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `publication`
--

LOCK TABLES `publication` WRITE;
/*!40000 ALTER TABLE `publication` DISABLE KEYS */;
/*!40000 ALTER TABLE `publication` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `review`
--

DROP TABLE IF EXISTS `review`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `review` (
  `review_id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `entity_id` int(10) unsigned NOT NULL,
  `synopsis` text NOT NULL,
  `comment` text DEFAULT NULL,
  `review_user` int(10) unsigned NOT NULL,
  `review_date` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `is_primary` tinyint(1) NOT NULL DEFAULT 0,
  `approved` tinyint(1) NOT NULL DEFAULT 0,
  `approving_user` int(10) unsigned DEFAULT NULL,
  `approved_at` datetime(6) DEFAULT NULL,
  `primary_marker` tinyint(4) DEFAULT NULL,
  PRIMARY KEY (`review_id`),
  UNIQUE KEY `review_primary_unique` (`entity_id`,`primary_marker`),
  KEY `review_user_date` (`review_user`,`review_date`),
  KEY `review_date_listing` (`review_date`),
  KEY `review_approval_queue` (`approved`,`review_date`),
  KEY `review_approving_user` (`approving_user`),
  CONSTRAINT `review_approving_user_fk` FOREIGN KEY (`approving_user`) REFERENCES `user` (`user_id`),
  CONSTRAINT `review_entity_fk` FOREIGN KEY (`entity_id`) REFERENCES `entity` (`entity_id`),
  CONSTRAINT `review_user_fk` FOREIGN KEY (`review_user`) REFERENCES `user` (`user_id`),
  CONSTRAINT `review_primary_marker_follows` CHECK (`primary_marker` <=> if(`is_primary` = 1,1,NULL))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Clinical synopses written for an entity';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `review`
--

LOCK TABLES `review` WRITE;
/*!40000 ALTER TABLE `review` DISABLE KEYS */;
/*!40000 ALTER TABLE `review` ENABLE KEYS */;
UNLOCK TABLES;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`tester`@`%`*/ /*!50003 TRIGGER review_before_insert BEFORE INSERT ON review
FOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL) 
*/;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`tester`@`%`*/ /*!50003 TRIGGER review_before_update BEFORE UPDATE ON review
FOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL) 
*/;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;

--
-- Table structure for table `review_publication`
--

DROP TABLE IF EXISTS `review_publication`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `review_publication` (
  `review_id` int(10) unsigned NOT NULL,
  `pmid` int(10) unsigned NOT NULL,
  `publication_type` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'additional',
  PRIMARY KEY (`review_id`,`pmid`),
  KEY `review_publication_pmid` (`pmid`),
  CONSTRAINT `review_publication_pmid_fk` FOREIGN KEY (`pmid`) REFERENCES `publication` (`pmid`),
  CONSTRAINT `review_publication_review_fk` FOREIGN KEY (`review_id`) REFERENCES `review` (`review_id`) ON DELETE CASCADE,
  CONSTRAINT `review_publication_type_known` CHECK (`publication_type` in ('primary','additional','gene_review'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Publications that a review rests on';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `review_publication`
--

LOCK TABLES `review_publication` WRITE;
/*!40000 ALTER TABLE `review_publication` DISABLE KEYS */;
/*!40000 ALTER TABLE `review_publication` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `schema_version`
--

DROP TABLE IF EXISTS `schema_version`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `schema_version` (
  `filename` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `checksum` varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `statements_checksum` varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `applied_at` datetime(6) NOT NULL COMMENT 'UTC',
  `duration_ms` bigint(20) unsigned NOT NULL DEFAULT 0,
  `statements` int(10) unsigned NOT NULL,
  `success` tinyint(1) NOT NULL,
  `applied_by` varchar(320) NOT NULL,
  `tool_version` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `run_id` char(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL COMMENT 'names the rows of this run in migration_journal',
  `error` text DEFAULT NULL,
  PRIMARY KEY (`filename`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `schema_version`
--

LOCK TABLES `schema_version` WRITE;
/*!40000 ALTER TABLE `schema_version` DISABLE KEYS */;
INSERT INTO `schema_version` VALUES
('001_core_schema.sql','sha256:f6ee8b60cce49928bbd137e6fe8e696512ae2262f86a5dea7ad3b93bd2ba770d','sha256:4e2c439f6439412e9f49ef9f28d0a9b00be70bc94f8840beca3065b6b3d3aa27','2026-11-30 18:07:20.796204',32,9,1,'tester@%','0.9.0','03f194d3fde3455297123607956e6dd4',NULL),
('002_gene_genomic_annotation.sql','sha256:c5824ee8d15b25872399069e8f579fc78ab95375029a829e876d2f8e211fbd9c','sha256:377e58ed4be7c9bd89073ed9d13c304b2ca85399410efe1503fbbfad88d543a8','2026-11-30 18:07:20.853251',56,18,1,'tester@%','0.9.0','fba6ffe3ff7348699a3a303833231682',NULL),
('003_entity_view.sql','sha256:1c9f9018c8edefa5bacc54123dbe93c8edd7828a3a18ff6658ba61bc4d3aabec','sha256:0c2629aaafb9009685e8ef51422ba0885cf8a6d7cf30aa872c6ae10ce12ba435','2026-11-30 18:07:20.864862',9,1,1,'tester@%','0.9.0','aee2e2357aec4bb6b90d1bbabb19eedd',NULL),
('004_entity_triggers.sql','sha256:8a8bdf5bf36f53814a0fe8ce2c01b867021c1ecdf6cf6666ede868715f810603','sha256:045d16a39630a97587b862d43f421d2cc3999d66ecd14fd62c61d4094ae5e013','2026-11-30 18:07:20.949445',84,16,1,'tester@%','0.9.0','e91771fb86d649758b32b738db5ba521',NULL),
('005_vocabularies.sql','sha256:1e791bee7087396c4243c98978ba974b74666b8a37a46710a7b58cf0b93be1f6','sha256:13a66e3878f1e9e33fa3c51ab5fed069e12e0c70d2559d21088a2f9617faede8','2026-11-30 18:07:20.955498',5,8,1,'tester@%','0.9.0','bfbb0d67b5d5474481a5883351744c19',NULL);
/*!40000 ALTER TABLE `schema_version` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `user`
--

DROP TABLE IF EXISTS `user`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `user` (
  `user_id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `user_name` varchar(64) NOT NULL,
  `email` varchar(254) NOT NULL,
  `password_hash` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'NULL: no password sign-in',
  `first_name` varchar(100) DEFAULT NULL,
  `family_name` varchar(100) DEFAULT NULL,
  `orcid` varchar(19) DEFAULT NULL COMMENT '0000-0000-0000-0000',
  `comment` text DEFAULT NULL,
  `role` varchar(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'Viewer',
  `state` varchar(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'unconfirmed',
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  `confirmed_at` datetime(6) DEFAULT NULL,
  `last_login_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`user_id`),
  UNIQUE KEY `user_name_unique` (`user_name`),
  UNIQUE KEY `user_email_unique` (`email`),
  KEY `user_state_role` (`state`,`role`),
  KEY `user_family_name` (`family_name`),
  CONSTRAINT `user_role_known` CHECK (`role` in ('Administrator','Curator','Reviewer','Viewer')),
  CONSTRAINT `user_state_known` CHECK (`state` in ('unconfirmed','awaiting_approval','active','deactivated'))
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Accounts of curators, reviewers and administrators';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `user`
--

LOCK TABLES `user` WRITE;
/*!40000 ALTER TABLE `user` DISABLE KEYS */;
INSERT INTO `user` VALUES
(1,'admin','admin@sysndd.example','$argon2id$v=19$m=19456,t=2,p=1$omhHyCCoFe/PFgOP92mrAw$g+oOIFDr333nZXwN7jWRIWmpv8BxjQ0XC87vDvHu3x8',NULL,NULL,NULL,NULL,'Administrator','active','2026-11-30 18:07:21.117403','2026-11-30 18:07:21.117403','2026-11-30 18:07:21.117403',NULL);
/*!40000 ALTER TABLE `user` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Dumping events for database 'sysndd'
--

--
-- Dumping routines for database 'sysndd'
--
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
/*!50003 DROP FUNCTION IF EXISTS `twice` */;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
DELIMITER ;;
CREATE DEFINER=`tester`@`%` FUNCTION `twice`(x INT) RETURNS int(11)
    DETERMINISTIC
RETURN x * 2
;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION' */ ;
/*!50003 DROP PROCEDURE IF EXISTS `count_entities_per_category` */;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
DELIMITER ;;
CREATE DEFINER=`tester`@`%` PROCEDURE `count_entities_per_category`(IN active_only BOOLEAN)
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
END
;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;

--
-- Current Database: `sysndd_before_0d92a58d`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `sysndd_before_0d92a58d` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */;

USE `sysndd_before_0d92a58d`;

--
-- Table structure for table `a table`
--

DROP TABLE IF EXISTS `a table`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `a table` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `parent` int(11) DEFAULT NULL,
  `title` varchar(100) DEFAULT NULL,
  `body` longblob DEFAULT NULL,
  `doubled` int(11) GENERATED ALWAYS AS (char_length(`title`) * 2) STORED,
  `document` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`document`)),
  PRIMARY KEY (`id`),
  KEY `up` (`parent`),
  CONSTRAINT `up` FOREIGN KEY (`parent`) REFERENCES `a table` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `a table`
--

LOCK TABLES `a table` WRITE;
/*!40000 ALTER TABLE `a table` DISABLE KEYS */;
INSERT INTO `a table` VALUES
(1,NULL,'line\nbreak),\n(\'quote','\0\n\r\Z\"\'\\�',40,'{\"a\": \"),(\"}'),
(2,1,'back\\slash 🧬 é','',28,NULL);
/*!40000 ALTER TABLE `a table` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `disease`
--

DROP TABLE IF EXISTS `disease`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `disease` (
  `disease_id` varchar(32) NOT NULL COMMENT 'MONDO:0012345, OMIM:123456',
  `name` varchar(500) NOT NULL,
  `definition` text DEFAULT NULL,
  `is_obsolete` tinyint(1) NOT NULL DEFAULT 0,
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  PRIMARY KEY (`disease_id`),
  KEY `disease_name` (`name`),
  CONSTRAINT `disease_id_prefixed` CHECK (`disease_id` like '_%:_%')
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Diseases by ontology id';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `disease`
--

LOCK TABLES `disease` WRITE;
/*!40000 ALTER TABLE `disease` DISABLE KEYS */;
/*!40000 ALTER TABLE `disease` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `entity`
--

DROP TABLE IF EXISTS `entity`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `entity` (
  `entity_id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `hgnc_id` varchar(16) NOT NULL,
  `disease_id` varchar(32) NOT NULL,
  `inheritance_id` varchar(16) NOT NULL,
  `category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'draft' COMMENT 'state of the curation',
  `ndd_phenotype` tinyint(1) NOT NULL DEFAULT 1 COMMENT 'a neurodevelopmental phenotype is part of the disease',
  `entry_user` int(10) unsigned NOT NULL,
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  `is_active` tinyint(1) NOT NULL DEFAULT 1,
  `replaced_by` int(10) unsigned DEFAULT NULL,
  `active_marker` tinyint(4) DEFAULT 1,
  PRIMARY KEY (`entity_id`),
  UNIQUE KEY `entity_active_unique` (`hgnc_id`,`disease_id`,`inheritance_id`,`ndd_phenotype`,`active_marker`),
  KEY `entity_disease` (`disease_id`),
  KEY `entity_inheritance` (`inheritance_id`),
  KEY `entity_category_listing` (`category`,`is_active`,`entity_id`),
  KEY `entity_status_listing` (`status`,`is_active`,`entity_id`),
  KEY `entity_active_listing` (`is_active`,`created_at`),
  KEY `entity_entry_user` (`entry_user`),
  KEY `entity_replaced_by` (`replaced_by`),
  CONSTRAINT `entity_category_fk` FOREIGN KEY (`category`) REFERENCES `entity_category` (`category`),
  CONSTRAINT `entity_disease_fk` FOREIGN KEY (`disease_id`) REFERENCES `disease` (`disease_id`),
  CONSTRAINT `entity_entry_user_fk` FOREIGN KEY (`entry_user`) REFERENCES `user` (`user_id`),
  CONSTRAINT `entity_gene_fk` FOREIGN KEY (`hgnc_id`) REFERENCES `gene` (`hgnc_id`),
  CONSTRAINT `entity_inheritance_fk` FOREIGN KEY (`inheritance_id`) REFERENCES `mode_of_inheritance` (`inheritance_id`),
  CONSTRAINT `entity_replaced_by_fk` FOREIGN KEY (`replaced_by`) REFERENCES `entity` (`entity_id`),
  CONSTRAINT `entity_status_known` CHECK (`status` in ('draft','in_review','approved','rejected')),
  CONSTRAINT `entity_replaced_is_inactive` CHECK (`replaced_by` is null or `is_active` = 0),
  CONSTRAINT `entity_active_marker_follows` CHECK (`active_marker` <=> if(`is_active` = 1,1,NULL))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Gene, disease and mode of inheritance, with a category';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `entity`
--

LOCK TABLES `entity` WRITE;
/*!40000 ALTER TABLE `entity` DISABLE KEYS */;
/*!40000 ALTER TABLE `entity` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `entity_category`
--

DROP TABLE IF EXISTS `entity_category`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `entity_category` (
  `category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `description` varchar(255) NOT NULL,
  `sort` smallint(5) unsigned NOT NULL,
  PRIMARY KEY (`category`),
  KEY `entity_category_sort` (`sort`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Strength of the gene-disease association: Definitive, Moderate, Limited, Refuted';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `entity_category`
--

LOCK TABLES `entity_category` WRITE;
/*!40000 ALTER TABLE `entity_category` DISABLE KEYS */;
INSERT INTO `entity_category` VALUES
('Definitive','Repeatedly shown, in research and diagnostics, and upheld over time',10),
('Limited','Few cases or weak evidence so far',30),
('Moderate','Supported by genetic and experimental evidence, not yet replicated enough',20),
('Refuted','Reported once, contradicted by later evidence',40);
/*!40000 ALTER TABLE `entity_category` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `entity_status_history`
--

DROP TABLE IF EXISTS `entity_status_history`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `entity_status_history` (
  `history_id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `entity_id` int(10) unsigned NOT NULL,
  `old_status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'NULL: the entity was new',
  `new_status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `old_category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,
  `new_category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  `old_is_active` tinyint(1) DEFAULT NULL,
  `new_is_active` tinyint(1) NOT NULL,
  `changed_at` datetime(6) NOT NULL,
  PRIMARY KEY (`history_id`),
  KEY `entity_status_history_entity` (`entity_id`,`changed_at`),
  KEY `entity_status_history_changed_at` (`changed_at`),
  CONSTRAINT `entity_status_history_entity_fk` FOREIGN KEY (`entity_id`) REFERENCES `entity` (`entity_id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Written by triggers on entity; never by the application';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `entity_status_history`
--

LOCK TABLES `entity_status_history` WRITE;
/*!40000 ALTER TABLE `entity_status_history` DISABLE KEYS */;
/*!40000 ALTER TABLE `entity_status_history` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `gene`
--

DROP TABLE IF EXISTS `gene`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `gene` (
  `hgnc_id` varchar(16) NOT NULL COMMENT 'HGNC:1234',
  `symbol` varchar(32) NOT NULL,
  `name` varchar(255) NOT NULL,
  `alias_symbols` varchar(500) DEFAULT NULL COMMENT 'aliases and previous symbols, separated by |',
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  `chromosome` varchar(8) DEFAULT NULL COMMENT '1-22, X, Y or MT',
  `start_grch38` int(10) unsigned DEFAULT NULL COMMENT 'first base, 1-based',
  `end_grch38` int(10) unsigned DEFAULT NULL COMMENT 'last base, inclusive',
  `strand` char(1) DEFAULT NULL COMMENT '+ or -',
  `bed_hg38` varchar(40) DEFAULT NULL COMMENT 'chrN:start-end, for genome browsers',
  `ensembl_gene_id` varchar(32) DEFAULT NULL COMMENT 'ENSG00000144285',
  `gnomad_pli` decimal(9,8) DEFAULT NULL COMMENT '0 to 1; 0.9 and more: intolerant of loss of function',
  `gnomad_loeuf` decimal(6,4) DEFAULT NULL COMMENT 'upper bound of observed/expected loss of function',
  `gnomad_missense_z` decimal(7,4) DEFAULT NULL COMMENT 'missense z score',
  PRIMARY KEY (`hgnc_id`),
  UNIQUE KEY `gene_symbol_unique` (`symbol`),
  KEY `gene_name` (`name`),
  KEY `gene_location` (`chromosome`,`start_grch38`),
  KEY `gene_ensembl_gene_id` (`ensembl_gene_id`),
  CONSTRAINT `gene_hgnc_id_prefixed` CHECK (`hgnc_id` like 'HGNC:_%'),
  CONSTRAINT `gene_strand_known` CHECK (`strand` in ('+','-')),
  CONSTRAINT `gene_span_ordered` CHECK (`start_grch38` <= `end_grch38`),
  CONSTRAINT `gene_pli_is_probability` CHECK (`gnomad_pli` between 0 and 1)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Genes by HGNC id';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `gene`
--

LOCK TABLES `gene` WRITE;
/*!40000 ALTER TABLE `gene` DISABLE KEYS */;
INSERT INTO `gene` VALUES
('HGNC:1','BACKED_UP','in the backup',NULL,'2026-11-30 18:07:21.158859','2026-11-30 18:07:21.158859',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('HGNC:2','BOTH','in the backup as well',NULL,'2026-11-30 18:07:21.158859','2026-11-30 18:07:21.158859',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('HGNC:3','REPLACED','not in the backup',NULL,'2026-11-30 18:07:21.710454','2026-11-30 18:07:21.710454',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
/*!40000 ALTER TABLE `gene` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `mode_of_inheritance`
--

DROP TABLE IF EXISTS `mode_of_inheritance`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `mode_of_inheritance` (
  `inheritance_id` varchar(16) NOT NULL COMMENT 'HPO term, HP:0000006',
  `term` varchar(100) NOT NULL,
  `short_term` varchar(16) NOT NULL COMMENT 'as curators write it: AD, AR, XLR',
  `sort` smallint(5) unsigned NOT NULL,
  `is_active` tinyint(1) NOT NULL DEFAULT 1 COMMENT 'offered for new entities',
  PRIMARY KEY (`inheritance_id`),
  UNIQUE KEY `mode_of_inheritance_term_unique` (`term`),
  KEY `mode_of_inheritance_sort` (`sort`),
  CONSTRAINT `mode_of_inheritance_id_prefixed` CHECK (`inheritance_id` like 'HP:_%')
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Modes of inheritance by HPO term';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `mode_of_inheritance`
--

LOCK TABLES `mode_of_inheritance` WRITE;
/*!40000 ALTER TABLE `mode_of_inheritance` DISABLE KEYS */;
INSERT INTO `mode_of_inheritance` VALUES
('HP:0000006','Autosomal dominant inheritance','AD',10,1),
('HP:0000007','Autosomal recessive inheritance','AR',20,1),
('HP:0001417','X-linked inheritance','XL',40,1),
('HP:0001419','X-linked recessive inheritance','XLR',60,1),
('HP:0001423','X-linked dominant inheritance','XLD',50,1),
('HP:0001427','Mitochondrial inheritance','MT',90,1),
('HP:0001442','Typified by somatic mosaicism','SOM',110,1),
('HP:0003745','Sporadic','SP',120,1),
('HP:0010984','Digenic inheritance','DG',100,1),
('HP:0012274','Autosomal dominant inheritance with paternal imprinting','AD-pat',70,1),
('HP:0012275','Autosomal dominant inheritance with maternal imprinting','AD-mat',80,1),
('HP:0032113','Semidominant inheritance','SD',30,1);
/*!40000 ALTER TABLE `mode_of_inheritance` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `publication`
--

DROP TABLE IF EXISTS `publication`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `publication` (
  `pmid` int(10) unsigned NOT NULL COMMENT 'PubMed id without prefix',
  `title` varchar(1000) NOT NULL,
  `authors` text DEFAULT NULL,
  `journal` varchar(255) DEFAULT NULL,
  `publication_year` smallint(5) unsigned DEFAULT NULL,
  `abstract` mediumtext DEFAULT NULL,
  `keywords` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'array of strings' CHECK (json_valid(`keywords`)),
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  PRIMARY KEY (`pmid`),
  KEY `publication_year_pmid` (`publication_year`,`pmid`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Literature by PubMed id';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `publication`
--

LOCK TABLES `publication` WRITE;
/*!40000 ALTER TABLE `publication` DISABLE KEYS */;
/*!40000 ALTER TABLE `publication` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `review`
--

DROP TABLE IF EXISTS `review`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `review` (
  `review_id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `entity_id` int(10) unsigned NOT NULL,
  `synopsis` text NOT NULL,
  `comment` text DEFAULT NULL,
  `review_user` int(10) unsigned NOT NULL,
  `review_date` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `is_primary` tinyint(1) NOT NULL DEFAULT 0,
  `approved` tinyint(1) NOT NULL DEFAULT 0,
  `approving_user` int(10) unsigned DEFAULT NULL,
  `approved_at` datetime(6) DEFAULT NULL,
  `primary_marker` tinyint(4) DEFAULT NULL,
  PRIMARY KEY (`review_id`),
  UNIQUE KEY `review_primary_unique` (`entity_id`,`primary_marker`),
  KEY `review_user_date` (`review_user`,`review_date`),
  KEY `review_date_listing` (`review_date`),
  KEY `review_approval_queue` (`approved`,`review_date`),
  KEY `review_approving_user` (`approving_user`),
  CONSTRAINT `review_approving_user_fk` FOREIGN KEY (`approving_user`) REFERENCES `user` (`user_id`),
  CONSTRAINT `review_entity_fk` FOREIGN KEY (`entity_id`) REFERENCES `entity` (`entity_id`),
  CONSTRAINT `review_user_fk` FOREIGN KEY (`review_user`) REFERENCES `user` (`user_id`),
  CONSTRAINT `review_primary_marker_follows` CHECK (`primary_marker` <=> if(`is_primary` = 1,1,NULL))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Clinical synopses written for an entity';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `review`
--

LOCK TABLES `review` WRITE;
/*!40000 ALTER TABLE `review` DISABLE KEYS */;
/*!40000 ALTER TABLE `review` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `review_publication`
--

DROP TABLE IF EXISTS `review_publication`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `review_publication` (
  `review_id` int(10) unsigned NOT NULL,
  `pmid` int(10) unsigned NOT NULL,
  `publication_type` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'additional',
  PRIMARY KEY (`review_id`,`pmid`),
  KEY `review_publication_pmid` (`pmid`),
  CONSTRAINT `review_publication_pmid_fk` FOREIGN KEY (`pmid`) REFERENCES `publication` (`pmid`),
  CONSTRAINT `review_publication_review_fk` FOREIGN KEY (`review_id`) REFERENCES `review` (`review_id`) ON DELETE CASCADE,
  CONSTRAINT `review_publication_type_known` CHECK (`publication_type` in ('primary','additional','gene_review'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Publications that a review rests on';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `review_publication`
--

LOCK TABLES `review_publication` WRITE;
/*!40000 ALTER TABLE `review_publication` DISABLE KEYS */;
/*!40000 ALTER TABLE `review_publication` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `schema_version`
--

DROP TABLE IF EXISTS `schema_version`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `schema_version` (
  `filename` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `checksum` varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `statements_checksum` varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `applied_at` datetime(6) NOT NULL COMMENT 'UTC',
  `duration_ms` bigint(20) unsigned NOT NULL DEFAULT 0,
  `statements` int(10) unsigned NOT NULL,
  `success` tinyint(1) NOT NULL,
  `applied_by` varchar(320) NOT NULL,
  `tool_version` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `run_id` char(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL COMMENT 'names the rows of this run in migration_journal',
  `error` text DEFAULT NULL,
  PRIMARY KEY (`filename`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `schema_version`
--

LOCK TABLES `schema_version` WRITE;
/*!40000 ALTER TABLE `schema_version` DISABLE KEYS */;
INSERT INTO `schema_version` VALUES
('001_core_schema.sql','sha256:f6ee8b60cce49928bbd137e6fe8e696512ae2262f86a5dea7ad3b93bd2ba770d','sha256:4e2c439f6439412e9f49ef9f28d0a9b00be70bc94f8840beca3065b6b3d3aa27','2026-11-30 18:07:20.796204',32,9,1,'tester@%','0.9.0','03f194d3fde3455297123607956e6dd4',NULL),
('002_gene_genomic_annotation.sql','sha256:c5824ee8d15b25872399069e8f579fc78ab95375029a829e876d2f8e211fbd9c','sha256:377e58ed4be7c9bd89073ed9d13c304b2ca85399410efe1503fbbfad88d543a8','2026-11-30 18:07:20.853251',56,18,1,'tester@%','0.9.0','fba6ffe3ff7348699a3a303833231682',NULL),
('003_entity_view.sql','sha256:1c9f9018c8edefa5bacc54123dbe93c8edd7828a3a18ff6658ba61bc4d3aabec','sha256:0c2629aaafb9009685e8ef51422ba0885cf8a6d7cf30aa872c6ae10ce12ba435','2026-11-30 18:07:20.864862',9,1,1,'tester@%','0.9.0','aee2e2357aec4bb6b90d1bbabb19eedd',NULL),
('004_entity_triggers.sql','sha256:8a8bdf5bf36f53814a0fe8ce2c01b867021c1ecdf6cf6666ede868715f810603','sha256:045d16a39630a97587b862d43f421d2cc3999d66ecd14fd62c61d4094ae5e013','2026-11-30 18:07:20.949445',84,16,1,'tester@%','0.9.0','e91771fb86d649758b32b738db5ba521',NULL),
('005_vocabularies.sql','sha256:1e791bee7087396c4243c98978ba974b74666b8a37a46710a7b58cf0b93be1f6','sha256:13a66e3878f1e9e33fa3c51ab5fed069e12e0c70d2559d21088a2f9617faede8','2026-11-30 18:07:20.955498',5,8,1,'tester@%','0.9.0','bfbb0d67b5d5474481a5883351744c19',NULL);
/*!40000 ALTER TABLE `schema_version` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `user`
--

DROP TABLE IF EXISTS `user`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `user` (
  `user_id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `user_name` varchar(64) NOT NULL,
  `email` varchar(254) NOT NULL,
  `password_hash` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT 'NULL: no password sign-in',
  `first_name` varchar(100) DEFAULT NULL,
  `family_name` varchar(100) DEFAULT NULL,
  `orcid` varchar(19) DEFAULT NULL COMMENT '0000-0000-0000-0000',
  `comment` text DEFAULT NULL,
  `role` varchar(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'Viewer',
  `state` varchar(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'unconfirmed',
  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),
  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
  `confirmed_at` datetime(6) DEFAULT NULL,
  `last_login_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`user_id`),
  UNIQUE KEY `user_name_unique` (`user_name`),
  UNIQUE KEY `user_email_unique` (`email`),
  KEY `user_state_role` (`state`,`role`),
  KEY `user_family_name` (`family_name`),
  CONSTRAINT `user_role_known` CHECK (`role` in ('Administrator','Curator','Reviewer','Viewer')),
  CONSTRAINT `user_state_known` CHECK (`state` in ('unconfirmed','awaiting_approval','active','deactivated'))
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT='Accounts of curators, reviewers and administrators';
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `user`
--

LOCK TABLES `user` WRITE;
/*!40000 ALTER TABLE `user` DISABLE KEYS */;
INSERT INTO `user` VALUES
(1,'admin','admin@sysndd.example','$argon2id$v=19$m=19456,t=2,p=1$omhHyCCoFe/PFgOP92mrAw$g+oOIFDr333nZXwN7jWRIWmpv8BxjQ0XC87vDvHu3x8',NULL,NULL,NULL,NULL,'Administrator','active','2026-11-30 18:07:21.117403','2026-11-30 18:07:21.117403','2026-11-30 18:07:21.117403',NULL);
/*!40000 ALTER TABLE `user` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Dumping events for database 'sysndd_before_0d92a58d'
--

--
-- Dumping routines for database 'sysndd_before_0d92a58d'
--

--
-- Current Database: `sysndd_ops`
--

CREATE DATABASE /*!32312 IF NOT EXISTS*/ `sysndd_ops` /*!40100 DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci */;

USE `sysndd_ops`;

--
-- Table structure for table `account_token`
--

DROP TABLE IF EXISTS `account_token`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `account_token` (
  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `purpose` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` int(10) unsigned NOT NULL,
  `token_hash` binary(32) NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `expires_at` datetime(6) NOT NULL,
  `used_at` datetime(6) DEFAULT NULL,
  `revoked_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `account_token_hash` (`token_hash`),
  KEY `account_token_user` (`user_id`,`purpose`,`created_at`),
  KEY `account_token_expires` (`expires_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `account_token`
--

LOCK TABLES `account_token` WRITE;
/*!40000 ALTER TABLE `account_token` DISABLE KEYS */;
/*!40000 ALTER TABLE `account_token` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `audit_log`
--

DROP TABLE IF EXISTS `audit_log`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `audit_log` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `happened_at` datetime(6) NOT NULL,
  `action` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `outcome` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `actor_id` int(10) unsigned DEFAULT NULL,
  `actor_name` varchar(64) DEFAULT NULL,
  `remote` varchar(45) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `object` varchar(255) DEFAULT NULL,
  `request_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `detail` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`detail`)),
  PRIMARY KEY (`id`),
  KEY `audit_happened` (`happened_at`),
  KEY `audit_action` (`action`,`happened_at`)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `audit_log`
--

LOCK TABLES `audit_log` WRITE;
/*!40000 ALTER TABLE `audit_log` DISABLE KEYS */;
INSERT INTO `audit_log` VALUES
(1,'2026-11-30 18:07:21.117802','create_administrator','ok',NULL,'sysndd-admin',NULL,'admin',NULL,NULL),
(2,'2026-11-30 18:07:21.686058','create_backup_ended','ok',NULL,NULL,NULL,'manual_20261130T180721Z_706b6fe6.sql.zst',NULL,'{\"job_id\": \"706b6fe6-76b7-4813-99b7-ce0863d31f36\", \"state\": \"succeeded\", \"sha256\": \"5576a27ddc5a0b9761367d2a9f41b4cdfdf8924f98c26ae2732b4770ad14c8c7\"}'),
(3,'2026-11-30 18:07:23.394568','restore_backup_ended','ok',NULL,NULL,NULL,'manual_20261130T180721Z_706b6fe6.sql.zst',NULL,'{\"job_id\": \"2dc9302c-3691-4b24-87b8-b6da12971ee6\", \"state\": \"succeeded\", \"sha256\": \"5576a27ddc5a0b9761367d2a9f41b4cdfdf8924f98c26ae2732b4770ad14c8c7\"}');
/*!40000 ALTER TABLE `audit_log` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `backup_schedule`
--

DROP TABLE IF EXISTS `backup_schedule`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `backup_schedule` (
  `due_at` datetime(6) NOT NULL,
  `job_id` char(36) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `created_at` datetime(6) NOT NULL,
  PRIMARY KEY (`due_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `backup_schedule`
--

LOCK TABLES `backup_schedule` WRITE;
/*!40000 ALTER TABLE `backup_schedule` DISABLE KEYS */;
/*!40000 ALTER TABLE `backup_schedule` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `email_change`
--

DROP TABLE IF EXISTS `email_change`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `email_change` (
  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `user_id` int(10) unsigned NOT NULL,
  `new_email` varchar(254) NOT NULL,
  `old_token` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `new_token` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `old_confirmed_at` datetime(6) DEFAULT NULL,
  `new_confirmed_at` datetime(6) DEFAULT NULL,
  `finished_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `email_change_old_token` (`old_token`),
  UNIQUE KEY `email_change_new_token` (`new_token`),
  KEY `email_change_user` (`user_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `email_change`
--

LOCK TABLES `email_change` WRITE;
/*!40000 ALTER TABLE `email_change` DISABLE KEYS */;
/*!40000 ALTER TABLE `email_change` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `inspection`
--

DROP TABLE IF EXISTS `inspection`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `inspection` (
  `schema_name` varchar(64) NOT NULL,
  `live` varchar(64) NOT NULL,
  `job_id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `backup` varchar(128) NOT NULL,
  `table_name` varchar(64) NOT NULL,
  `row_count` bigint(20) unsigned DEFAULT NULL,
  `created_at` datetime(6) NOT NULL,
  `kept_until` datetime(6) NOT NULL,
  PRIMARY KEY (`schema_name`),
  KEY `inspection_kept` (`kept_until`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `inspection`
--

LOCK TABLES `inspection` WRITE;
/*!40000 ALTER TABLE `inspection` DISABLE KEYS */;
/*!40000 ALTER TABLE `inspection` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `job`
--

DROP TABLE IF EXISTS `job`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `job` (
  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `kind` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `queue` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'queued',
  `payload` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`payload`)),
  `active_key` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `active_slot` varchar(64) CHARACTER SET ascii COLLATE ascii_bin GENERATED ALWAYS AS (case when `state` in ('queued','running') then `active_key` end) STORED,
  `attempt` int(10) unsigned NOT NULL DEFAULT 0,
  `max_attempts` int(10) unsigned NOT NULL DEFAULT 1,
  `run_after` datetime(6) NOT NULL,
  `lease_until` datetime(6) DEFAULT NULL,
  `worker` varchar(128) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `cancel_requested` tinyint(1) NOT NULL DEFAULT 0,
  `step` varchar(64) DEFAULT NULL,
  `percent` tinyint(3) unsigned NOT NULL DEFAULT 0,
  `message` varchar(500) DEFAULT NULL,
  `result` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`result`)),
  `error_code` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `error` varchar(2000) DEFAULT NULL,
  `audit_id` bigint(20) unsigned DEFAULT NULL,
  `outcome_audit_id` bigint(20) unsigned DEFAULT NULL,
  `requested_by` int(10) unsigned DEFAULT NULL,
  `request_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `created_at` datetime(6) NOT NULL,
  `started_at` datetime(6) DEFAULT NULL,
  `finished_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `job_active_slot` (`active_slot`),
  KEY `job_due` (`queue`,`state`,`run_after`),
  KEY `job_lease` (`state`,`lease_until`),
  KEY `job_created` (`created_at`),
  KEY `job_outcome` (`outcome_audit_id`,`finished_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `job`
--

LOCK TABLES `job` WRITE;
/*!40000 ALTER TABLE `job` DISABLE KEYS */;
INSERT INTO `job` VALUES
('2dc9302c-3691-4b24-87b8-b6da12971ee6','restore_backup','backup','succeeded','{\"name\":\"manual_20261130T180721Z_706b6fe6.sql.zst\",\"accept\":[]}','whole-database',NULL,1,1,'2026-11-30 18:07:21.712488',NULL,'backup@vm:6189',0,'cleaning',100,'Dropping schemas that are no longer needed','{\"restored\": \"manual_20261130T180721Z_706b6fe6.sql.zst\", \"safety_backup\": \"pre-restore_20261130T180723Z_2dc9302c.sql.zst\", \"table_count\": 12, \"row_count\": 26, \"sha256\": \"5576a27ddc5a0b9761367d2a9f41b4cdfdf8924f98c26ae2732b4770ad14c8c7\", \"migrated\": false}',NULL,NULL,NULL,3,NULL,NULL,'2026-11-30 18:07:21.712488','2026-11-30 18:07:21.715049','2026-11-30 18:07:23.392555'),
('706b6fe6-76b7-4813-99b7-ce0863d31f36','create_backup','backup','succeeded','{\"kind\":\"manual\"}','whole-database',NULL,1,2,'2026-11-30 18:07:21.171275',NULL,'backup@vm:6189',0,'publishing',100,'Publishing manual_20261130T180721Z_706b6fe6.sql.zst','{\"name\": \"manual_20261130T180721Z_706b6fe6.sql.zst\", \"size_bytes\": 7732, \"sha256\": \"5576a27ddc5a0b9761367d2a9f41b4cdfdf8924f98c26ae2732b4770ad14c8c7\", \"table_count\": 12, \"row_count\": 26, \"verification\": null, \"locations\": [\"local\"], \"offsite_error\": null}',NULL,NULL,NULL,2,NULL,NULL,'2026-11-30 18:07:21.171275','2026-11-30 18:07:21.176240','2026-11-30 18:07:21.683967');
/*!40000 ALTER TABLE `job` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `job_log`
--

DROP TABLE IF EXISTS `job_log`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `job_log` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `job_id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `attempt` int(10) unsigned NOT NULL,
  `logged_at` datetime(6) NOT NULL,
  `level` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `line` varchar(2000) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `job_log_job` (`job_id`,`id`),
  KEY `job_log_logged` (`logged_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `job_log`
--

LOCK TABLES `job_log` WRITE;
/*!40000 ALTER TABLE `job_log` DISABLE KEYS */;
/*!40000 ALTER TABLE `job_log` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `known_client`
--

DROP TABLE IF EXISTS `known_client`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `known_client` (
  `user_id` int(10) unsigned NOT NULL,
  `client` binary(32) NOT NULL,
  `seen_at` datetime(6) NOT NULL,
  PRIMARY KEY (`user_id`,`client`),
  KEY `known_client_seen` (`seen_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `known_client`
--

LOCK TABLES `known_client` WRITE;
/*!40000 ALTER TABLE `known_client` DISABLE KEYS */;
/*!40000 ALTER TABLE `known_client` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `mail`
--

DROP TABLE IF EXISTS `mail`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `mail` (
  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `purpose` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `recipient` varchar(254) NOT NULL,
  `template` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `context` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`context`)),
  `message_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'queued',
  `attempt` int(10) unsigned NOT NULL DEFAULT 0,
  `max_attempts` int(10) unsigned NOT NULL DEFAULT 10,
  `run_after` datetime(6) NOT NULL,
  `lease_until` datetime(6) DEFAULT NULL,
  `worker` varchar(128) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `last_code` smallint(5) unsigned DEFAULT NULL,
  `last_reply` varchar(500) DEFAULT NULL,
  `requested_by` int(10) unsigned DEFAULT NULL,
  `request_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `created_at` datetime(6) NOT NULL,
  `started_at` datetime(6) DEFAULT NULL,
  `finished_at` datetime(6) DEFAULT NULL,
  `expires_at` datetime(6) DEFAULT NULL,
  `phase` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `on_unknown_outcome` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'resend',
  `preview` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`preview`)),
  PRIMARY KEY (`id`),
  UNIQUE KEY `mail_message_id` (`message_id`),
  KEY `mail_due` (`state`,`run_after`),
  KEY `mail_created` (`created_at`),
  KEY `mail_state_created` (`state`,`created_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `mail`
--

LOCK TABLES `mail` WRITE;
/*!40000 ALTER TABLE `mail` DISABLE KEYS */;
INSERT INTO `mail` VALUES
('28f4a6b5-6c72-44a8-8853-a05cd357aec1','test','person@sysndd.example','test','{\"requested_at\": \"2026-11-30 12:00\"}','<179606204339.6189.2704320667947371294@sysndd.example>','queued',0,200,'2026-11-30 18:07:23.397509',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-30 18:07:23.397509',NULL,NULL,'2126-11-06 18:07:23.397509',NULL,'resend',NULL);
/*!40000 ALTER TABLE `mail` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `mail_transport`
--

DROP TABLE IF EXISTS `mail_transport`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `mail_transport` (
  `name` varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `since` datetime(6) NOT NULL,
  `seen_at` datetime(6) NOT NULL,
  `code` smallint(5) unsigned DEFAULT NULL,
  `reason` varchar(500) DEFAULT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `mail_transport`
--

LOCK TABLES `mail_transport` WRITE;
/*!40000 ALTER TABLE `mail_transport` DISABLE KEYS */;
/*!40000 ALTER TABLE `mail_transport` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `migration_journal`
--

DROP TABLE IF EXISTS `migration_journal`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `migration_journal` (
  `run_id` char(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `position` int(10) unsigned NOT NULL COMMENT 'first statement of the unit in its file, from 1',
  `schema_name` varchar(64) NOT NULL,
  `filename` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `last_position` int(10) unsigned NOT NULL,
  `line` int(10) unsigned NOT NULL,
  `kind` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `fingerprint` char(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL COMMENT 'before the unit',
  `rows_changed` bigint(20) DEFAULT NULL,
  `warnings` int(10) unsigned DEFAULT NULL,
  `objects` varchar(500) DEFAULT NULL COMMENT 'what a unit changed besides rows',
  `of_statements` int(10) unsigned NOT NULL COMMENT 'how many statements the file has',
  `statements_hash` char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'sha256 of the text of the unit',
  `started_at` datetime(6) NOT NULL COMMENT 'UTC',
  `finished_at` datetime(6) DEFAULT NULL COMMENT 'UTC',
  `error` text DEFAULT NULL COMMENT 'description of the failure',
  `failed_line` int(10) unsigned DEFAULT NULL COMMENT 'where the rejected statement is in the file',
  `failed_statement` int(10) unsigned DEFAULT NULL COMMENT 'its position in the file, from 1',
  `failed_sql` varchar(400) DEFAULT NULL COMMENT 'its text, shortened',
  `error_number` int(10) unsigned DEFAULT NULL COMMENT 'of the server',
  `error_message` text DEFAULT NULL COMMENT 'of the server',
  `resume_at` int(10) unsigned DEFAULT NULL COMMENT 'where resolve --from-statement resumes',
  PRIMARY KEY (`run_id`,`position`),
  KEY `migration_journal_file` (`schema_name`,`filename`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `migration_journal`
--

LOCK TABLES `migration_journal` WRITE;
/*!40000 ALTER TABLE `migration_journal` DISABLE KEYS */;
INSERT INTO `migration_journal` VALUES
('03f194d3fde3455297123607956e6dd4',1,'sysndd','001_core_schema.sql',1,18,'definition','-',0,0,'table user',9,'0f917513746e217c86a813960f1e5290603f377b9482d64686c8a1dbb4b68697','2026-11-30 18:07:20.765675','2026-11-30 18:07:20.768952',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('03f194d3fde3455297123607956e6dd4',2,'sysndd','001_core_schema.sql',2,45,'definition','-',0,0,'table gene',9,'2d122ea94e18cd6516abce4851c6cdf44fda51d81f589b55a479ea37bcfb5a0c','2026-11-30 18:07:20.769553','2026-11-30 18:07:20.772245',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('03f194d3fde3455297123607956e6dd4',3,'sysndd','001_core_schema.sql',3,59,'definition','-',0,0,'table disease',9,'eb56ed1ec4611724867f28c9b8c25f68b8a72924c30c7d39cb80157d45236406','2026-11-30 18:07:20.772844','2026-11-30 18:07:20.775204',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('03f194d3fde3455297123607956e6dd4',4,'sysndd','001_core_schema.sql',4,72,'definition','-',0,0,'table mode_of_inheritance',9,'6ca203b7f6618ca7c3cf7da75c52b9577e0d6c60b3b079ecd45e9f129e87c6ff','2026-11-30 18:07:20.775787','2026-11-30 18:07:20.778307',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('03f194d3fde3455297123607956e6dd4',5,'sysndd','001_core_schema.sql',5,86,'definition','-',0,0,'table entity_category',9,'d67d55db233ccaa45e1a71e961989725b8eeae1028a40052f6dacdd9caa58599','2026-11-30 18:07:20.778925','2026-11-30 18:07:20.781163',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('03f194d3fde3455297123607956e6dd4',6,'sysndd','001_core_schema.sql',6,95,'definition','-',0,0,'table publication',9,'bba04080207fed57765f09de31ad0115045e72a52ef1c045e88208bcdff45581','2026-11-30 18:07:20.781664','2026-11-30 18:07:20.784346',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('03f194d3fde3455297123607956e6dd4',7,'sysndd','001_core_schema.sql',7,117,'definition','-',0,0,'table entity',9,'a7c24fe55588a264f3ee17f11c8eff51b6271f4c078fc2cac202c9519dd099c2','2026-11-30 18:07:20.784923','2026-11-30 18:07:20.789035',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('03f194d3fde3455297123607956e6dd4',8,'sysndd','001_core_schema.sql',8,154,'definition','-',0,0,'table review',9,'b6d0fd068d2c20ab35465622622b2d3357692d24ee3905c7dc19df1221cd9b44','2026-11-30 18:07:20.789607','2026-11-30 18:07:20.792896',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('03f194d3fde3455297123607956e6dd4',9,'sysndd','001_core_schema.sql',9,179,'definition','-',0,0,'table review_publication',9,'13dc7badc2ae0ab3377dd8dc21e11fb59e4335026509a56fc276467cb0c8cd3b','2026-11-30 18:07:20.793496','2026-11-30 18:07:20.795870',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',1,'sysndd_ops','001_platform.sql',1,6,'definition','-',0,0,'table job',19,'c3c65aa0ebb2d6d103d557ce3b9f9f9c4d8c9cfe8fc0ac4155de2d25b3976580','2026-11-30 18:07:20.700821','2026-11-30 18:07:20.704472',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',2,'sysndd_ops','001_platform.sql',2,44,'definition','-',0,0,'table job_log',19,'fb12d9eee79f5c89c354082d38aad12e985a2123216e430d5e691772a39dc466','2026-11-30 18:07:20.705109','2026-11-30 18:07:20.708078',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',3,'sysndd_ops','001_platform.sql',3,56,'definition','-',0,0,'table worker',19,'e44f2f9fc7269b3be7229140f0eb8be18752957166048b583aa3fc6e7a39f589','2026-11-30 18:07:20.708780','2026-11-30 18:07:20.711110',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',4,'sysndd_ops','001_platform.sql',4,67,'definition','-',0,0,'table mail',19,'a55da40341987a789aab779e02eb89378c204e5c4ebc7cfd83156e6ede9d4a63','2026-11-30 18:07:20.711707','2026-11-30 18:07:20.714822',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',5,'sysndd_ops','001_platform.sql',5,103,'definition','-',0,0,'table mail_transport',19,'0b69dc8246e303a1fc64f3885c1a6c42b5c8c98b481627eb10bd065cecab6d67','2026-11-30 18:07:20.715417','2026-11-30 18:07:20.717518',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',6,'sysndd_ops','001_platform.sql',6,114,'definition','-',0,0,'table undeliverable_address',19,'d6f2fb557d53c5625d9ce0cc0ccfd19063571a6b918a15d471fa56102695eb6a','2026-11-30 18:07:20.718095','2026-11-30 18:07:20.720237',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',7,'sysndd_ops','001_platform.sql',7,123,'definition','-',0,0,'table smtp_test',19,'4ea48eaca983ce2cd44d56d6586bdbb83471691f060bedd1d6978ebeee4f2566','2026-11-30 18:07:20.720815','2026-11-30 18:07:20.723291',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',8,'sysndd_ops','001_platform.sql',8,135,'definition','-',0,0,'table session',19,'f364090e39cc7d7c8bad4459c25fb21b91f32c9027c1017a8f628c98d8d8725b','2026-11-30 18:07:20.723882','2026-11-30 18:07:20.726441',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',9,'sysndd_ops','001_platform.sql',9,151,'definition','-',0,0,'table account_token',19,'ca619f3149e6b327ce32721b3fbc7c12a15078cc8a59e65f9313011d259c1248','2026-11-30 18:07:20.727010','2026-11-30 18:07:20.729770',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',10,'sysndd_ops','001_platform.sql',10,168,'definition','-',0,0,'table email_change',19,'3b730a503b357c4c541044c4f71dc991bd3415c2cc703d18964b83979c9e144e','2026-11-30 18:07:20.730350','2026-11-30 18:07:20.733135',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',11,'sysndd_ops','001_platform.sql',11,187,'definition','-',0,0,'table known_client',19,'96d1d1173626619bc99ee0b01a59173d4097c8a124d276a0c36b43ead01a9b38','2026-11-30 18:07:20.733705','2026-11-30 18:07:20.740823',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',12,'sysndd_ops','001_platform.sql',12,198,'definition','-',0,0,'table audit_log',19,'724fd50179eb0e398e1be4b5382dad306200094e97223852d4cbcc386ed80a3b','2026-11-30 18:07:20.741406','2026-11-30 18:07:20.744011',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',13,'sysndd_ops','001_platform.sql',13,214,'definition','-',0,0,'table request_stats',19,'41f51d91574ef81e3158f7795d59a082d009fa02b055cd856ec485c3b0e9138d','2026-11-30 18:07:20.744568','2026-11-30 18:07:20.746708',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',14,'sysndd_ops','001_platform.sql',14,233,'definition','-',0,0,'table backup_schedule',19,'5dc7924cbb73564e47a477a737ae994da41e98e6e41ad1fb6bd8d51e9da020d4','2026-11-30 18:07:20.747294','2026-11-30 18:07:20.749569',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',15,'sysndd_ops','001_platform.sql',15,244,'definition','-',0,0,'table restore_journal',19,'3d86b3dd02825fb58238be4e009d3bedb606546ac3c00203b6197f94c78b5577','2026-11-30 18:07:20.750150','2026-11-30 18:07:20.752913',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',16,'sysndd_ops','001_platform.sql',16,274,'definition','-',0,0,'table inspection',19,'259b17b1c9ffce695158e0f84d56705e1f9a8eaf26606b9a224df0f35e4039c3','2026-11-30 18:07:20.753499','2026-11-30 18:07:20.756070',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',17,'sysndd_ops','001_platform.sql',17,290,'definition','-',0,0,'table migration_plan',19,'75f93fcba10600895205e2e26866389a48640cbe4ed8f6cba9a70da344037239','2026-11-30 18:07:20.756634','2026-11-30 18:07:20.759239',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',18,'sysndd_ops','001_platform.sql',18,303,'definition','-',0,0,'table transaction_guard',19,'c550a4460fbfa677988783682a3ba4dce488a942797ffbbe4552eebce747b08d','2026-11-30 18:07:20.759852','2026-11-30 18:07:20.761859',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('ad7cf100f56840449325d8a09d7ea102',19,'sysndd_ops','001_platform.sql',19,308,'data',NULL,2,0,'',19,'cf67849a2846b1157e73c2aeac5c8c455ae920b558977f82b36c192d54c5eeb6','2026-11-30 18:07:20.763309','2026-11-30 18:07:20.763309',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('aee2e2357aec4bb6b90d1bbabb19eedd',1,'sysndd','003_entity_view.sql',1,9,'definition','954fbefcd03e04cff9d766470752b611fd699a49961357981ebe54c1fbcae3d2',0,0,'view entity_view',1,'0c2629aaafb9009685e8ef51422ba0885cf8a6d7cf30aa872c6ae10ce12ba435','2026-11-30 18:07:20.859208','2026-11-30 18:07:20.864499',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('bfbb0d67b5d5474481a5883351744c19',1,'sysndd','005_vocabularies.sql',8,10,'transaction',NULL,16,0,'',8,'13a66e3878f1e9e33fa3c51ab5fed069e12e0c70d2559d21088a2f9617faede8','2026-11-30 18:07:20.954865','2026-11-30 18:07:20.954865',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',1,'sysndd','004_entity_triggers.sql',1,15,'definition','-',0,0,'table entity_status_history',16,'3baf652c27fddabde07f148b8c37fe64d91a8502aba8e45233b3c97df1a6cc1a','2026-11-30 18:07:20.866381','2026-11-30 18:07:20.869301',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',2,'sysndd','004_entity_triggers.sql',2,32,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,1,'',16,'76f4651b041bdab3c2ff3843e90fd731a6bebfe74602af453af79848b93e8745','2026-11-30 18:07:20.871427','2026-11-30 18:07:20.873696',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',3,'sysndd','004_entity_triggers.sql',3,33,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,1,'',16,'6eca883c81b70cefd14c0e59cdeb958335685413ea86cb2630501697fe8e9e35','2026-11-30 18:07:20.875490','2026-11-30 18:07:20.877844',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',4,'sysndd','004_entity_triggers.sql',4,34,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,1,'',16,'3c427bcd02a33b20d329563106de69dd5b7a696500ee9ad25c1097ff161c38f7','2026-11-30 18:07:20.879624','2026-11-30 18:07:20.881965',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',5,'sysndd','004_entity_triggers.sql',5,35,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,1,'',16,'d7f044e6ec7ad5fbcdfb69c8c20e46da43a475c25e22c8e7276114b89b51b646','2026-11-30 18:07:20.883722','2026-11-30 18:07:20.886081',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',6,'sysndd','004_entity_triggers.sql',6,36,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,1,'',16,'3c25fdc83a966b5b88436d8ae64270801414d303aa10ef9ad5b76fe728f3260a','2026-11-30 18:07:20.887916','2026-11-30 18:07:20.890254',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',7,'sysndd','004_entity_triggers.sql',7,37,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,1,'',16,'33a735d0af03b0bf94b33d6d3ee3c9d1250bccdaff57b213e29ad4f6cce9834a','2026-11-30 18:07:20.891974','2026-11-30 18:07:20.894281',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',8,'sysndd','004_entity_triggers.sql',8,38,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,1,'',16,'cde9386b6d3a5c5c3df58cec9e51dab11a66cdcea77419cd94ba59a27704315b','2026-11-30 18:07:20.895883','2026-11-30 18:07:20.898031',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',9,'sysndd','004_entity_triggers.sql',9,40,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,0,'trigger entity_before_insert',16,'b19aa44809cff05fac158b04b78ab57f52c164039da20d1cc1960deaf1b0c9fb','2026-11-30 18:07:20.899947','2026-11-30 18:07:20.903963',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',10,'sysndd','004_entity_triggers.sql',10,43,'definition','b086727dcfba9343b6f449bdfb261641f885abae6c2aa94b955d3310156c86f8',0,0,'trigger entity_before_update',16,'4c8956ce5db4f76245f59fcb84fa1128c3d96131f4d1b825b66cdd902db0263d','2026-11-30 18:07:20.906255','2026-11-30 18:07:20.911314',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',11,'sysndd','004_entity_triggers.sql',11,46,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,0,'trigger review_before_insert',16,'d0529b4bffe2b68ae19947e1f5215c207f92a879bade553c4cfae5f7a412d600','2026-11-30 18:07:20.913280','2026-11-30 18:07:20.917165',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',12,'sysndd','004_entity_triggers.sql',12,49,'definition','b78cd602d47c5d6189861458d093072287e71a75b40f49f2424e407a19f075ca',0,0,'trigger review_before_update',16,'9bf4dd0ba71c9fccc1f840fd189edab64ede92262d64b19741be075c38d4a234','2026-11-30 18:07:20.920187','2026-11-30 18:07:20.926031',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',13,'sysndd','004_entity_triggers.sql',13,54,'definition','3376e473bf797f1209678faae085b4109a3c63c326896c433d7f13e88cafceb2',0,0,'trigger entity_after_insert',16,'a347b10200c4681b950b505e93feb7b174a12320d0037d59db3d19d9f75454f2','2026-11-30 18:07:20.928829','2026-11-30 18:07:20.933946',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',14,'sysndd','004_entity_triggers.sql',14,61,'definition','af675282c7ea6c2064de40b52d563af1b2471bcdb4a8e26cba8485313f504c07',0,0,'trigger entity_after_update',16,'81c6138168e1ddb71cf0a6c3934c20391fad8e8f3d23b8afa541dcfb763f68a5','2026-11-30 18:07:20.937186','2026-11-30 18:07:20.943406',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',15,'sysndd','004_entity_triggers.sql',15,74,'definition','255e768fa6eb3882e1ae10198d354b99489f4e07e8087bb576ed54dcb4c224f2',0,0,'procedure count_entities_per_category',16,'a047381315eccb4fe1cea5b8cca283e0af0b028c6aecbbef54ea369bfbc2398e','2026-11-30 18:07:20.945224','2026-11-30 18:07:20.948124',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('e91771fb86d649758b32b738db5ba521',16,'sysndd','004_entity_triggers.sql',16,90,'data',NULL,0,0,'',16,'8820c20dea978658c54fd297c23af92217a833e917e27fcff548cda23c07e79d','2026-11-30 18:07:20.949233','2026-11-30 18:07:20.949233',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('fba6ffe3ff7348699a3a303833231682',6,'sysndd','002_gene_genomic_annotation.sql',6,41,'opaque','169221030ab12e93dff642486a1eb5a2a2f10590972d38a2a88af1ab71cd4159',0,0,'execute',18,'969b2c67d1e5433986de0f1bd357d98583735a57ca909ce0bb5fee726cc3fcbb','2026-11-30 18:07:20.807154','2026-11-30 18:07:20.815892',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('fba6ffe3ff7348699a3a303833231682',11,'sysndd','002_gene_genomic_annotation.sql',11,61,'opaque','5e3d05a14720a40d026c8ee89fb76087e1adac252af7b202ce78430a9918269b',0,0,'execute',18,'bb407ecb7565030408b51648d226b6456512d4545b9ab169b2102da2620127f1','2026-11-30 18:07:20.823784','2026-11-30 18:07:20.832910',NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('fba6ffe3ff7348699a3a303833231682',16,'sysndd','002_gene_genomic_annotation.sql',16,82,'opaque','7b7c111e8543dca39b4aea0e8c48e04877fdd7202c14d341e54e155423aea685',0,0,'execute',18,'47a1bce5bd3f062f326ecbc22a13f29f000fddc0ce315c10686c2f7424a6d5c3','2026-11-30 18:07:20.840578','2026-11-30 18:07:20.851924',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
/*!40000 ALTER TABLE `migration_journal` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `migration_plan`
--

DROP TABLE IF EXISTS `migration_plan`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `migration_plan` (
  `schema_name` varchar(64) NOT NULL,
  `filename` varchar(255) NOT NULL,
  `checksum` char(71) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `measured_at` datetime(6) NOT NULL,
  `server` varchar(128) NOT NULL,
  `document` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`document`)),
  PRIMARY KEY (`schema_name`,`filename`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `migration_plan`
--

LOCK TABLES `migration_plan` WRITE;
/*!40000 ALTER TABLE `migration_plan` DISABLE KEYS */;
/*!40000 ALTER TABLE `migration_plan` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `request_stats`
--

DROP TABLE IF EXISTS `request_stats`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `request_stats` (
  `minute` datetime NOT NULL,
  `worker` varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `requests` int(10) unsigned NOT NULL DEFAULT 0,
  `failures` int(10) unsigned NOT NULL DEFAULT 0,
  `ms_total` double NOT NULL DEFAULT 0,
  `ms_max` double NOT NULL DEFAULT 0,
  `pool_size` int(10) unsigned NOT NULL,
  `pool_in_use` int(10) unsigned NOT NULL DEFAULT 0,
  `pool_waiting` int(10) unsigned NOT NULL DEFAULT 0,
  `seen_at` datetime(6) NOT NULL,
  PRIMARY KEY (`minute`,`worker`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `request_stats`
--

LOCK TABLES `request_stats` WRITE;
/*!40000 ALTER TABLE `request_stats` DISABLE KEYS */;
/*!40000 ALTER TABLE `request_stats` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `restore_journal`
--

DROP TABLE IF EXISTS `restore_journal`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `restore_journal` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `job_id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `purpose` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `backup` varchar(128) DEFAULT NULL,
  `live` varchar(64) NOT NULL,
  `incoming` varchar(64) NOT NULL,
  `outgoing` varchar(64) NOT NULL,
  `step` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `swapping` tinyint(1) NOT NULL DEFAULT 0,
  `rolling_back` tinyint(1) NOT NULL DEFAULT 0,
  `maintenance` tinyint(1) NOT NULL DEFAULT 0,
  `old_objects` longtext DEFAULT NULL,
  `new_objects` longtext DEFAULT NULL,
  `row_counts` longtext DEFAULT NULL,
  `outcome` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `kept_until` datetime(6) DEFAULT NULL,
  `started_at` datetime(6) NOT NULL,
  `finished_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `restore_journal_open` (`finished_at`,`maintenance`),
  KEY `restore_journal_kept` (`kept_until`)
) ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `restore_journal`
--

LOCK TABLES `restore_journal` WRITE;
/*!40000 ALTER TABLE `restore_journal` DISABLE KEYS */;
INSERT INTO `restore_journal` VALUES
(1,'2dc9302c-3691-4b24-87b8-b6da12971ee6','restore','manual_20261130T180721Z_706b6fe6.sql.zst','sysndd','sysndd_shadow_0d92a58d','sysndd_before_0d92a58d','closed',1,0,0,'[{\"kind\": \"PROCEDURE\", \"name\": \"count_entities_per_category\", \"sql\": \"CREATE DEFINER=`tester`@`%` PROCEDURE `count_entities_per_category`(IN active_only BOOLEAN)\\n    READS SQL DATA\\n    SQL SECURITY INVOKER\\n    COMMENT \'One row per category, also those without entities; active_only leaves replaced ones out\'\\nBEGIN\\n  SELECT c.category, COUNT(e.entity_id) AS entities\\n  FROM entity_category AS c\\n  LEFT JOIN entity AS e\\n    ON e.category = c.category AND (e.is_active = 1 OR NOT active_only)\\n  GROUP BY c.category, c.sort\\n  ORDER BY c.sort;\\nEND\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"FUNCTION\", \"name\": \"twice\", \"sql\": \"CREATE DEFINER=`tester`@`%` FUNCTION `twice`(x INT) RETURNS int(11)\\n    DETERMINISTIC\\nRETURN x * 2\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"VIEW\", \"name\": \"doubled\", \"sql\": \"CREATE ALGORITHM=UNDEFINED DEFINER=`tester`@`%` SQL SECURITY DEFINER VIEW `doubled` AS select `a table`.`id` AS `id`,`a table`.`title` AS `title`,`twice`(`a table`.`id`) AS `n` from `a table`\", \"sql_mode\": \"\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"VIEW\", \"name\": \"entity_view\", \"sql\": \"CREATE ALGORITHM=UNDEFINED DEFINER=`tester`@`%` SQL SECURITY INVOKER VIEW `entity_view` AS select `e`.`entity_id` AS `entity_id`,`e`.`hgnc_id` AS `hgnc_id`,`g`.`symbol` AS `symbol`,`g`.`name` AS `gene_name`,`e`.`disease_id` AS `disease_id`,`d`.`name` AS `disease_name`,`e`.`inheritance_id` AS `inheritance_id`,`m`.`term` AS `inheritance_term`,`m`.`short_term` AS `inheritance_short_term`,`m`.`sort` AS `inheritance_sort`,`e`.`category` AS `category`,`c`.`sort` AS `category_sort`,`e`.`status` AS `status`,`e`.`ndd_phenotype` AS `ndd_phenotype`,`e`.`is_active` AS `is_active`,`e`.`replaced_by` AS `replaced_by`,`e`.`entry_user` AS `entry_user`,`e`.`created_at` AS `created_at`,`e`.`updated_at` AS `updated_at` from ((((`entity` `e` join `gene` `g` on(`g`.`hgnc_id` = `e`.`hgnc_id`)) join `disease` `d` on(`d`.`disease_id` = `e`.`disease_id`)) join `mode_of_inheritance` `m` on(`m`.`inheritance_id` = `e`.`inheritance_id`)) join `entity_category` `c` on(`c`.`category` = `e`.`category`))\", \"sql_mode\": \"\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"title_is_set\", \"sql\": \"CREATE DEFINER=`tester`@`%` TRIGGER title_is_set BEFORE INSERT ON `a table` FOR EACH ROW\\nBEGIN\\n  IF NEW.title IS NULL THEN SET NEW.title = \'no; title\'; END IF;\\nEND\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"entity_after_insert\", \"sql\": \"CREATE DEFINER=`tester`@`%` TRIGGER entity_after_insert AFTER INSERT ON entity\\nFOR EACH ROW\\nBEGIN\\n  INSERT INTO entity_status_history (entity_id, new_status, new_category, new_is_active, changed_at)\\n  VALUES (NEW.entity_id, NEW.status, NEW.category, NEW.is_active, UTC_TIMESTAMP(6));\\nEND\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"entity_after_update\", \"sql\": \"CREATE DEFINER=`tester`@`%` TRIGGER entity_after_update AFTER UPDATE ON entity\\nFOR EACH ROW\\nBEGIN\\n  -- An UPDATE that touches other columns only is not this table\'s business; it leaves no row.\\n  IF NEW.status <> OLD.status OR NEW.category <> OLD.category OR NEW.is_active <> OLD.is_active THEN\\n    INSERT INTO entity_status_history\\n      (entity_id, old_status, new_status, old_category, new_category, old_is_active, new_is_active, changed_at)\\n    VALUES\\n      (NEW.entity_id, OLD.status, NEW.status, OLD.category, NEW.category, OLD.is_active, NEW.is_active,\\n       UTC_TIMESTAMP(6));\\n  END IF;\\nEND\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"entity_before_insert\", \"sql\": \"CREATE DEFINER=`tester`@`%` TRIGGER entity_before_insert BEFORE INSERT ON entity\\nFOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL)\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"entity_before_update\", \"sql\": \"CREATE DEFINER=`tester`@`%` TRIGGER entity_before_update BEFORE UPDATE ON entity\\nFOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL)\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"review_before_insert\", \"sql\": \"CREATE DEFINER=`tester`@`%` TRIGGER review_before_insert BEFORE INSERT ON review\\nFOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL)\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"review_before_update\", \"sql\": \"CREATE DEFINER=`tester`@`%` TRIGGER review_before_update BEFORE UPDATE ON review\\nFOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL)\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}]','[{\"kind\": \"PROCEDURE\", \"name\": \"count_entities_per_category\", \"sql\": \"CREATE PROCEDURE `count_entities_per_category`(IN active_only BOOLEAN)\\n    READS SQL DATA\\n    SQL SECURITY INVOKER\\n    COMMENT \'One row per category, also those without entities; active_only leaves replaced ones out\'\\nBEGIN\\n  SELECT c.category, COUNT(e.entity_id) AS entities\\n  FROM entity_category AS c\\n  LEFT JOIN entity AS e\\n    ON e.category = c.category AND (e.is_active = 1 OR NOT active_only)\\n  GROUP BY c.category, c.sort\\n  ORDER BY c.sort;\\nEND\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"FUNCTION\", \"name\": \"twice\", \"sql\": \"CREATE FUNCTION `twice`(x INT) RETURNS int(11)\\n    DETERMINISTIC\\nRETURN x * 2\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"VIEW\", \"name\": \"doubled\", \"sql\": \"CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `doubled` AS select `a table`.`id` AS `id`,`a table`.`title` AS `title`,`twice`(`a table`.`id`) AS `n` from `a table`\", \"sql_mode\": \"\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"VIEW\", \"name\": \"entity_view\", \"sql\": \"CREATE ALGORITHM=UNDEFINED SQL SECURITY INVOKER VIEW `entity_view` AS select `e`.`entity_id` AS `entity_id`,`e`.`hgnc_id` AS `hgnc_id`,`g`.`symbol` AS `symbol`,`g`.`name` AS `gene_name`,`e`.`disease_id` AS `disease_id`,`d`.`name` AS `disease_name`,`e`.`inheritance_id` AS `inheritance_id`,`m`.`term` AS `inheritance_term`,`m`.`short_term` AS `inheritance_short_term`,`m`.`sort` AS `inheritance_sort`,`e`.`category` AS `category`,`c`.`sort` AS `category_sort`,`e`.`status` AS `status`,`e`.`ndd_phenotype` AS `ndd_phenotype`,`e`.`is_active` AS `is_active`,`e`.`replaced_by` AS `replaced_by`,`e`.`entry_user` AS `entry_user`,`e`.`created_at` AS `created_at`,`e`.`updated_at` AS `updated_at` from ((((`entity` `e` join `gene` `g` on(`g`.`hgnc_id` = `e`.`hgnc_id`)) join `disease` `d` on(`d`.`disease_id` = `e`.`disease_id`)) join `mode_of_inheritance` `m` on(`m`.`inheritance_id` = `e`.`inheritance_id`)) join `entity_category` `c` on(`c`.`category` = `e`.`category`))\", \"sql_mode\": \"\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"title_is_set\", \"sql\": \"CREATE TRIGGER title_is_set BEFORE INSERT ON `a table` FOR EACH ROW\\nBEGIN\\n  IF NEW.title IS NULL THEN SET NEW.title = \'no; title\'; END IF;\\nEND\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"entity_after_insert\", \"sql\": \"CREATE TRIGGER entity_after_insert AFTER INSERT ON entity\\nFOR EACH ROW\\nBEGIN\\n  INSERT INTO entity_status_history (entity_id, new_status, new_category, new_is_active, changed_at)\\n  VALUES (NEW.entity_id, NEW.status, NEW.category, NEW.is_active, UTC_TIMESTAMP(6));\\nEND\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"entity_after_update\", \"sql\": \"CREATE TRIGGER entity_after_update AFTER UPDATE ON entity\\nFOR EACH ROW\\nBEGIN\\n  -- An UPDATE that touches other columns only is not this table\'s business; it leaves no row.\\n  IF NEW.status <> OLD.status OR NEW.category <> OLD.category OR NEW.is_active <> OLD.is_active THEN\\n    INSERT INTO entity_status_history\\n      (entity_id, old_status, new_status, old_category, new_category, old_is_active, new_is_active, changed_at)\\n    VALUES\\n      (NEW.entity_id, OLD.status, NEW.status, OLD.category, NEW.category, OLD.is_active, NEW.is_active,\\n       UTC_TIMESTAMP(6));\\n  END IF;\\nEND\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"entity_before_insert\", \"sql\": \"CREATE TRIGGER entity_before_insert BEFORE INSERT ON entity\\nFOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL)\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"entity_before_update\", \"sql\": \"CREATE TRIGGER entity_before_update BEFORE UPDATE ON entity\\nFOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL)\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"review_before_insert\", \"sql\": \"CREATE TRIGGER review_before_insert BEFORE INSERT ON review\\nFOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL)\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}, {\"kind\": \"TRIGGER\", \"name\": \"review_before_update\", \"sql\": \"CREATE TRIGGER review_before_update BEFORE UPDATE ON review\\nFOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL)\", \"sql_mode\": \"STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION\", \"charset\": \"utf8mb4\", \"collation\": \"utf8mb4_general_ci\", \"time_zone\": \"\"}]','{\"a table\": 2, \"disease\": 0, \"entity\": 0, \"entity_category\": 4, \"entity_status_history\": 0, \"gene\": 2, \"mode_of_inheritance\": 12, \"publication\": 0, \"review\": 0, \"review_publication\": 0, \"schema_version\": 5, \"user\": 1}','done','2026-12-01 18:07:23.386866','2026-11-30 18:07:21.724031','2026-11-30 18:07:23.386866');
/*!40000 ALTER TABLE `restore_journal` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `schema_object`
--

DROP TABLE IF EXISTS `schema_object`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `schema_object` (
  `schema_name` varchar(64) NOT NULL,
  `name` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL COMMENT 'kind and name, such as: table gene',
  `definition` mediumtext NOT NULL,
  `server` varchar(100) NOT NULL COMMENT 'version that worded the definition',
  `recorded_at` datetime(6) NOT NULL COMMENT 'UTC',
  PRIMARY KEY (`schema_name`,`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `schema_object`
--

LOCK TABLES `schema_object` WRITE;
/*!40000 ALTER TABLE `schema_object` DISABLE KEYS */;
INSERT INTO `schema_object` VALUES
('sysndd','procedure count_entities_per_category','CREATE PROCEDURE `count_entities_per_category`(IN active_only BOOLEAN)\n    READS SQL DATA\n    SQL SECURITY INVOKER\n    COMMENT \'One row per category, also those without entities; active_only leaves replaced ones out\'\nBEGIN\n  SELECT c.category, COUNT(e.entity_id) AS entities\n  FROM entity_category AS c\n  LEFT JOIN entity AS e\n    ON e.category = c.category AND (e.is_active = 1 OR NOT active_only)\n  GROUP BY c.category, c.sort\n  ORDER BY c.sort;\nEND','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table disease','CREATE TABLE `disease` (\n  `disease_id` varchar(32) NOT NULL COMMENT \'MONDO:0012345, OMIM:123456\',\n  `name` varchar(500) NOT NULL,\n  `definition` text DEFAULT NULL,\n  `is_obsolete` tinyint(1) NOT NULL DEFAULT 0,\n  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),\n  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),\n  PRIMARY KEY (`disease_id`),\n  KEY `disease_name` (`name`),\n  CONSTRAINT `disease_id_prefixed` CHECK (`disease_id` like \'_%:_%\')\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Diseases by ontology id\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table entity','CREATE TABLE `entity` (\n  `entity_id` int(10) unsigned NOT NULL AUTO_INCREMENT,\n  `hgnc_id` varchar(16) NOT NULL,\n  `disease_id` varchar(32) NOT NULL,\n  `inheritance_id` varchar(16) NOT NULL,\n  `category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,\n  `status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT \'draft\' COMMENT \'state of the curation\',\n  `ndd_phenotype` tinyint(1) NOT NULL DEFAULT 1 COMMENT \'a neurodevelopmental phenotype is part of the disease\',\n  `entry_user` int(10) unsigned NOT NULL,\n  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),\n  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),\n  `is_active` tinyint(1) NOT NULL DEFAULT 1,\n  `replaced_by` int(10) unsigned DEFAULT NULL,\n  `active_marker` tinyint(4) DEFAULT 1,\n  PRIMARY KEY (`entity_id`),\n  UNIQUE KEY `entity_active_unique` (`hgnc_id`,`disease_id`,`inheritance_id`,`ndd_phenotype`,`active_marker`),\n  KEY `entity_disease` (`disease_id`),\n  KEY `entity_inheritance` (`inheritance_id`),\n  KEY `entity_category_listing` (`category`,`is_active`,`entity_id`),\n  KEY `entity_status_listing` (`status`,`is_active`,`entity_id`),\n  KEY `entity_active_listing` (`is_active`,`created_at`),\n  KEY `entity_entry_user` (`entry_user`),\n  KEY `entity_replaced_by` (`replaced_by`),\n  CONSTRAINT `entity_category_fk` FOREIGN KEY (`category`) REFERENCES `entity_category` (`category`),\n  CONSTRAINT `entity_disease_fk` FOREIGN KEY (`disease_id`) REFERENCES `disease` (`disease_id`),\n  CONSTRAINT `entity_entry_user_fk` FOREIGN KEY (`entry_user`) REFERENCES `user` (`user_id`),\n  CONSTRAINT `entity_gene_fk` FOREIGN KEY (`hgnc_id`) REFERENCES `gene` (`hgnc_id`),\n  CONSTRAINT `entity_inheritance_fk` FOREIGN KEY (`inheritance_id`) REFERENCES `mode_of_inheritance` (`inheritance_id`),\n  CONSTRAINT `entity_replaced_by_fk` FOREIGN KEY (`replaced_by`) REFERENCES `entity` (`entity_id`),\n  CONSTRAINT `entity_status_known` CHECK (`status` in (\'draft\',\'in_review\',\'approved\',\'rejected\')),\n  CONSTRAINT `entity_replaced_is_inactive` CHECK (`replaced_by` is null or `is_active` = 0),\n  CONSTRAINT `entity_active_marker_follows` CHECK (`active_marker` <=> if(`is_active` = 1,1,NULL))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Gene, disease and mode of inheritance, with a category\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table entity_category','CREATE TABLE `entity_category` (\n  `category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,\n  `description` varchar(255) NOT NULL,\n  `sort` smallint(5) unsigned NOT NULL,\n  PRIMARY KEY (`category`),\n  KEY `entity_category_sort` (`sort`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Strength of the gene-disease association: Definitive, Moderate, Limited, Refuted\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table entity_status_history','CREATE TABLE `entity_status_history` (\n  `history_id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n  `entity_id` int(10) unsigned NOT NULL,\n  `old_status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT \'NULL: the entity was new\',\n  `new_status` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,\n  `old_category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,\n  `new_category` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,\n  `old_is_active` tinyint(1) DEFAULT NULL,\n  `new_is_active` tinyint(1) NOT NULL,\n  `changed_at` datetime(6) NOT NULL,\n  PRIMARY KEY (`history_id`),\n  KEY `entity_status_history_entity` (`entity_id`,`changed_at`),\n  KEY `entity_status_history_changed_at` (`changed_at`),\n  CONSTRAINT `entity_status_history_entity_fk` FOREIGN KEY (`entity_id`) REFERENCES `entity` (`entity_id`) ON DELETE CASCADE\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Written by triggers on entity; never by the application\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table gene','CREATE TABLE `gene` (\n  `hgnc_id` varchar(16) NOT NULL COMMENT \'HGNC:1234\',\n  `symbol` varchar(32) NOT NULL,\n  `name` varchar(255) NOT NULL,\n  `alias_symbols` varchar(500) DEFAULT NULL COMMENT \'aliases and previous symbols, separated by |\',\n  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),\n  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),\n  `chromosome` varchar(8) DEFAULT NULL COMMENT \'1-22, X, Y or MT\',\n  `start_grch38` int(10) unsigned DEFAULT NULL COMMENT \'first base, 1-based\',\n  `end_grch38` int(10) unsigned DEFAULT NULL COMMENT \'last base, inclusive\',\n  `strand` char(1) DEFAULT NULL COMMENT \'+ or -\',\n  `bed_hg38` varchar(40) DEFAULT NULL COMMENT \'chrN:start-end, for genome browsers\',\n  `ensembl_gene_id` varchar(32) DEFAULT NULL COMMENT \'ENSG00000144285\',\n  `gnomad_pli` decimal(9,8) DEFAULT NULL COMMENT \'0 to 1; 0.9 and more: intolerant of loss of function\',\n  `gnomad_loeuf` decimal(6,4) DEFAULT NULL COMMENT \'upper bound of observed/expected loss of function\',\n  `gnomad_missense_z` decimal(7,4) DEFAULT NULL COMMENT \'missense z score\',\n  PRIMARY KEY (`hgnc_id`),\n  UNIQUE KEY `gene_symbol_unique` (`symbol`),\n  KEY `gene_name` (`name`),\n  KEY `gene_location` (`chromosome`,`start_grch38`),\n  KEY `gene_ensembl_gene_id` (`ensembl_gene_id`),\n  CONSTRAINT `gene_hgnc_id_prefixed` CHECK (`hgnc_id` like \'HGNC:_%\'),\n  CONSTRAINT `gene_strand_known` CHECK (`strand` in (\'+\',\'-\')),\n  CONSTRAINT `gene_span_ordered` CHECK (`start_grch38` <= `end_grch38`),\n  CONSTRAINT `gene_pli_is_probability` CHECK (`gnomad_pli` between 0 and 1)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Genes by HGNC id\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table mode_of_inheritance','CREATE TABLE `mode_of_inheritance` (\n  `inheritance_id` varchar(16) NOT NULL COMMENT \'HPO term, HP:0000006\',\n  `term` varchar(100) NOT NULL,\n  `short_term` varchar(16) NOT NULL COMMENT \'as curators write it: AD, AR, XLR\',\n  `sort` smallint(5) unsigned NOT NULL,\n  `is_active` tinyint(1) NOT NULL DEFAULT 1 COMMENT \'offered for new entities\',\n  PRIMARY KEY (`inheritance_id`),\n  UNIQUE KEY `mode_of_inheritance_term_unique` (`term`),\n  KEY `mode_of_inheritance_sort` (`sort`),\n  CONSTRAINT `mode_of_inheritance_id_prefixed` CHECK (`inheritance_id` like \'HP:_%\')\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Modes of inheritance by HPO term\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table publication','CREATE TABLE `publication` (\n  `pmid` int(10) unsigned NOT NULL COMMENT \'PubMed id without prefix\',\n  `title` varchar(1000) NOT NULL,\n  `authors` text DEFAULT NULL,\n  `journal` varchar(255) DEFAULT NULL,\n  `publication_year` smallint(5) unsigned DEFAULT NULL,\n  `abstract` mediumtext DEFAULT NULL,\n  `keywords` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT \'array of strings\' CHECK (json_valid(`keywords`)),\n  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),\n  PRIMARY KEY (`pmid`),\n  KEY `publication_year_pmid` (`publication_year`,`pmid`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Literature by PubMed id\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table review','CREATE TABLE `review` (\n  `review_id` int(10) unsigned NOT NULL AUTO_INCREMENT,\n  `entity_id` int(10) unsigned NOT NULL,\n  `synopsis` text NOT NULL,\n  `comment` text DEFAULT NULL,\n  `review_user` int(10) unsigned NOT NULL,\n  `review_date` datetime(6) NOT NULL DEFAULT current_timestamp(6),\n  `is_primary` tinyint(1) NOT NULL DEFAULT 0,\n  `approved` tinyint(1) NOT NULL DEFAULT 0,\n  `approving_user` int(10) unsigned DEFAULT NULL,\n  `approved_at` datetime(6) DEFAULT NULL,\n  `primary_marker` tinyint(4) DEFAULT NULL,\n  PRIMARY KEY (`review_id`),\n  UNIQUE KEY `review_primary_unique` (`entity_id`,`primary_marker`),\n  KEY `review_user_date` (`review_user`,`review_date`),\n  KEY `review_date_listing` (`review_date`),\n  KEY `review_approval_queue` (`approved`,`review_date`),\n  KEY `review_approving_user` (`approving_user`),\n  CONSTRAINT `review_approving_user_fk` FOREIGN KEY (`approving_user`) REFERENCES `user` (`user_id`),\n  CONSTRAINT `review_entity_fk` FOREIGN KEY (`entity_id`) REFERENCES `entity` (`entity_id`),\n  CONSTRAINT `review_user_fk` FOREIGN KEY (`review_user`) REFERENCES `user` (`user_id`),\n  CONSTRAINT `review_primary_marker_follows` CHECK (`primary_marker` <=> if(`is_primary` = 1,1,NULL))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Clinical synopses written for an entity\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table review_publication','CREATE TABLE `review_publication` (\n  `review_id` int(10) unsigned NOT NULL,\n  `pmid` int(10) unsigned NOT NULL,\n  `publication_type` varchar(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT \'additional\',\n  PRIMARY KEY (`review_id`,`pmid`),\n  KEY `review_publication_pmid` (`pmid`),\n  CONSTRAINT `review_publication_pmid_fk` FOREIGN KEY (`pmid`) REFERENCES `publication` (`pmid`),\n  CONSTRAINT `review_publication_review_fk` FOREIGN KEY (`review_id`) REFERENCES `review` (`review_id`) ON DELETE CASCADE,\n  CONSTRAINT `review_publication_type_known` CHECK (`publication_type` in (\'primary\',\'additional\',\'gene_review\'))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Publications that a review rests on\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','table user','CREATE TABLE `user` (\n  `user_id` int(10) unsigned NOT NULL AUTO_INCREMENT,\n  `user_name` varchar(64) NOT NULL,\n  `email` varchar(254) NOT NULL,\n  `password_hash` varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL COMMENT \'NULL: no password sign-in\',\n  `first_name` varchar(100) DEFAULT NULL,\n  `family_name` varchar(100) DEFAULT NULL,\n  `orcid` varchar(19) DEFAULT NULL COMMENT \'0000-0000-0000-0000\',\n  `comment` text DEFAULT NULL,\n  `role` varchar(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT \'Viewer\',\n  `state` varchar(32) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT \'unconfirmed\',\n  `created_at` datetime(6) NOT NULL DEFAULT current_timestamp(6),\n  `updated_at` datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),\n  `confirmed_at` datetime(6) DEFAULT NULL,\n  `last_login_at` datetime(6) DEFAULT NULL,\n  PRIMARY KEY (`user_id`),\n  UNIQUE KEY `user_name_unique` (`user_name`),\n  UNIQUE KEY `user_email_unique` (`email`),\n  KEY `user_state_role` (`state`,`role`),\n  KEY `user_family_name` (`family_name`),\n  CONSTRAINT `user_role_known` CHECK (`role` in (\'Administrator\',\'Curator\',\'Reviewer\',\'Viewer\')),\n  CONSTRAINT `user_state_known` CHECK (`state` in (\'unconfirmed\',\'awaiting_approval\',\'active\',\'deactivated\'))\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci COMMENT=\'Accounts of curators, reviewers and administrators\'','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','trigger entity_after_insert','CREATE TRIGGER entity_after_insert AFTER INSERT ON entity\nFOR EACH ROW\nBEGIN\n  INSERT INTO entity_status_history (entity_id, new_status, new_category, new_is_active, changed_at)\n  VALUES (NEW.entity_id, NEW.status, NEW.category, NEW.is_active, UTC_TIMESTAMP(6));\nEND','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','trigger entity_after_update','CREATE TRIGGER entity_after_update AFTER UPDATE ON entity\nFOR EACH ROW\nBEGIN\n  -- An UPDATE that touches other columns only is not this table\'s business; it leaves no row.\n  IF NEW.status <> OLD.status OR NEW.category <> OLD.category OR NEW.is_active <> OLD.is_active THEN\n    INSERT INTO entity_status_history\n      (entity_id, old_status, new_status, old_category, new_category, old_is_active, new_is_active, changed_at)\n    VALUES\n      (NEW.entity_id, OLD.status, NEW.status, OLD.category, NEW.category, OLD.is_active, NEW.is_active,\n       UTC_TIMESTAMP(6));\n  END IF;\nEND','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','trigger entity_before_insert','CREATE TRIGGER entity_before_insert BEFORE INSERT ON entity\nFOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL)','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','trigger entity_before_update','CREATE TRIGGER entity_before_update BEFORE UPDATE ON entity\nFOR EACH ROW SET NEW.active_marker = IF(NEW.is_active = 1, 1, NULL)','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','trigger review_before_insert','CREATE TRIGGER review_before_insert BEFORE INSERT ON review\nFOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL)','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','trigger review_before_update','CREATE TRIGGER review_before_update BEFORE UPDATE ON review\nFOR EACH ROW SET NEW.primary_marker = IF(NEW.is_primary = 1, 1, NULL)','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd','view entity_view','CREATE ALGORITHM=UNDEFINED SQL SECURITY INVOKER VIEW `entity_view` AS select `e`.`entity_id` AS `entity_id`,`e`.`hgnc_id` AS `hgnc_id`,`g`.`symbol` AS `symbol`,`g`.`name` AS `gene_name`,`e`.`disease_id` AS `disease_id`,`d`.`name` AS `disease_name`,`e`.`inheritance_id` AS `inheritance_id`,`m`.`term` AS `inheritance_term`,`m`.`short_term` AS `inheritance_short_term`,`m`.`sort` AS `inheritance_sort`,`e`.`category` AS `category`,`c`.`sort` AS `category_sort`,`e`.`status` AS `status`,`e`.`ndd_phenotype` AS `ndd_phenotype`,`e`.`is_active` AS `is_active`,`e`.`replaced_by` AS `replaced_by`,`e`.`entry_user` AS `entry_user`,`e`.`created_at` AS `created_at`,`e`.`updated_at` AS `updated_at` from ((((`entity` `e` join `gene` `g` on(`g`.`hgnc_id` = `e`.`hgnc_id`)) join `disease` `d` on(`d`.`disease_id` = `e`.`disease_id`)) join `mode_of_inheritance` `m` on(`m`.`inheritance_id` = `e`.`inheritance_id`)) join `entity_category` `c` on(`c`.`category` = `e`.`category`))','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.977838'),
('sysndd_ops','table account_token','CREATE TABLE `account_token` (\n  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `purpose` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `user_id` int(10) unsigned NOT NULL,\n  `token_hash` binary(32) NOT NULL,\n  `created_at` datetime(6) NOT NULL,\n  `expires_at` datetime(6) NOT NULL,\n  `used_at` datetime(6) DEFAULT NULL,\n  `revoked_at` datetime(6) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `account_token_hash` (`token_hash`),\n  KEY `account_token_user` (`user_id`,`purpose`,`created_at`),\n  KEY `account_token_expires` (`expires_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table audit_log','CREATE TABLE `audit_log` (\n  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n  `happened_at` datetime(6) NOT NULL,\n  `action` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `outcome` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `actor_id` int(10) unsigned DEFAULT NULL,\n  `actor_name` varchar(64) DEFAULT NULL,\n  `remote` varchar(45) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `object` varchar(255) DEFAULT NULL,\n  `request_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `detail` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`detail`)),\n  PRIMARY KEY (`id`),\n  KEY `audit_happened` (`happened_at`),\n  KEY `audit_action` (`action`,`happened_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table backup_schedule','CREATE TABLE `backup_schedule` (\n  `due_at` datetime(6) NOT NULL,\n  `job_id` char(36) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `created_at` datetime(6) NOT NULL,\n  PRIMARY KEY (`due_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table email_change','CREATE TABLE `email_change` (\n  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `user_id` int(10) unsigned NOT NULL,\n  `new_email` varchar(254) NOT NULL,\n  `old_token` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `new_token` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `created_at` datetime(6) NOT NULL,\n  `old_confirmed_at` datetime(6) DEFAULT NULL,\n  `new_confirmed_at` datetime(6) DEFAULT NULL,\n  `finished_at` datetime(6) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `email_change_old_token` (`old_token`),\n  UNIQUE KEY `email_change_new_token` (`new_token`),\n  KEY `email_change_user` (`user_id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table inspection','CREATE TABLE `inspection` (\n  `schema_name` varchar(64) NOT NULL,\n  `live` varchar(64) NOT NULL,\n  `job_id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `backup` varchar(128) NOT NULL,\n  `table_name` varchar(64) NOT NULL,\n  `row_count` bigint(20) unsigned DEFAULT NULL,\n  `created_at` datetime(6) NOT NULL,\n  `kept_until` datetime(6) NOT NULL,\n  PRIMARY KEY (`schema_name`),\n  KEY `inspection_kept` (`kept_until`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table job','CREATE TABLE `job` (\n  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `kind` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `queue` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT \'queued\',\n  `payload` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`payload`)),\n  `active_key` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `active_slot` varchar(64) CHARACTER SET ascii COLLATE ascii_bin GENERATED ALWAYS AS (case when `state` in (\'queued\',\'running\') then `active_key` end) STORED,\n  `attempt` int(10) unsigned NOT NULL DEFAULT 0,\n  `max_attempts` int(10) unsigned NOT NULL DEFAULT 1,\n  `run_after` datetime(6) NOT NULL,\n  `lease_until` datetime(6) DEFAULT NULL,\n  `worker` varchar(128) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `cancel_requested` tinyint(1) NOT NULL DEFAULT 0,\n  `step` varchar(64) DEFAULT NULL,\n  `percent` tinyint(3) unsigned NOT NULL DEFAULT 0,\n  `message` varchar(500) DEFAULT NULL,\n  `result` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`result`)),\n  `error_code` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `error` varchar(2000) DEFAULT NULL,\n  `audit_id` bigint(20) unsigned DEFAULT NULL,\n  `outcome_audit_id` bigint(20) unsigned DEFAULT NULL,\n  `requested_by` int(10) unsigned DEFAULT NULL,\n  `request_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `created_at` datetime(6) NOT NULL,\n  `started_at` datetime(6) DEFAULT NULL,\n  `finished_at` datetime(6) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `job_active_slot` (`active_slot`),\n  KEY `job_due` (`queue`,`state`,`run_after`),\n  KEY `job_lease` (`state`,`lease_until`),\n  KEY `job_created` (`created_at`),\n  KEY `job_outcome` (`outcome_audit_id`,`finished_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table job_log','CREATE TABLE `job_log` (\n  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n  `job_id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `attempt` int(10) unsigned NOT NULL,\n  `logged_at` datetime(6) NOT NULL,\n  `level` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `line` varchar(2000) NOT NULL,\n  PRIMARY KEY (`id`),\n  KEY `job_log_job` (`job_id`,`id`),\n  KEY `job_log_logged` (`logged_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table known_client','CREATE TABLE `known_client` (\n  `user_id` int(10) unsigned NOT NULL,\n  `client` binary(32) NOT NULL,\n  `seen_at` datetime(6) NOT NULL,\n  PRIMARY KEY (`user_id`,`client`),\n  KEY `known_client_seen` (`seen_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table mail','CREATE TABLE `mail` (\n  `id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `purpose` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `recipient` varchar(254) NOT NULL,\n  `template` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `context` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`context`)),\n  `message_id` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT \'queued\',\n  `attempt` int(10) unsigned NOT NULL DEFAULT 0,\n  `max_attempts` int(10) unsigned NOT NULL DEFAULT 10,\n  `run_after` datetime(6) NOT NULL,\n  `lease_until` datetime(6) DEFAULT NULL,\n  `worker` varchar(128) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `last_code` smallint(5) unsigned DEFAULT NULL,\n  `last_reply` varchar(500) DEFAULT NULL,\n  `requested_by` int(10) unsigned DEFAULT NULL,\n  `request_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `created_at` datetime(6) NOT NULL,\n  `started_at` datetime(6) DEFAULT NULL,\n  `finished_at` datetime(6) DEFAULT NULL,\n  `expires_at` datetime(6) DEFAULT NULL,\n  `phase` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `on_unknown_outcome` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT \'resend\',\n  `preview` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`preview`)),\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `mail_message_id` (`message_id`),\n  KEY `mail_due` (`state`,`run_after`),\n  KEY `mail_created` (`created_at`),\n  KEY `mail_state_created` (`state`,`created_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table mail_transport','CREATE TABLE `mail_transport` (\n  `name` varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `since` datetime(6) NOT NULL,\n  `seen_at` datetime(6) NOT NULL,\n  `code` smallint(5) unsigned DEFAULT NULL,\n  `reason` varchar(500) DEFAULT NULL,\n  PRIMARY KEY (`name`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table migration_plan','CREATE TABLE `migration_plan` (\n  `schema_name` varchar(64) NOT NULL,\n  `filename` varchar(255) NOT NULL,\n  `checksum` char(71) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `measured_at` datetime(6) NOT NULL,\n  `server` varchar(128) NOT NULL,\n  `document` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(`document`)),\n  PRIMARY KEY (`schema_name`,`filename`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table request_stats','CREATE TABLE `request_stats` (\n  `minute` datetime NOT NULL,\n  `worker` varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `requests` int(10) unsigned NOT NULL DEFAULT 0,\n  `failures` int(10) unsigned NOT NULL DEFAULT 0,\n  `ms_total` double NOT NULL DEFAULT 0,\n  `ms_max` double NOT NULL DEFAULT 0,\n  `pool_size` int(10) unsigned NOT NULL,\n  `pool_in_use` int(10) unsigned NOT NULL DEFAULT 0,\n  `pool_waiting` int(10) unsigned NOT NULL DEFAULT 0,\n  `seen_at` datetime(6) NOT NULL,\n  PRIMARY KEY (`minute`,`worker`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table restore_journal','CREATE TABLE `restore_journal` (\n  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n  `job_id` char(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `purpose` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `backup` varchar(128) DEFAULT NULL,\n  `live` varchar(64) NOT NULL,\n  `incoming` varchar(64) NOT NULL,\n  `outgoing` varchar(64) NOT NULL,\n  `step` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `swapping` tinyint(1) NOT NULL DEFAULT 0,\n  `rolling_back` tinyint(1) NOT NULL DEFAULT 0,\n  `maintenance` tinyint(1) NOT NULL DEFAULT 0,\n  `old_objects` longtext DEFAULT NULL,\n  `new_objects` longtext DEFAULT NULL,\n  `row_counts` longtext DEFAULT NULL,\n  `outcome` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `kept_until` datetime(6) DEFAULT NULL,\n  `started_at` datetime(6) NOT NULL,\n  `finished_at` datetime(6) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  KEY `restore_journal_open` (`finished_at`,`maintenance`),\n  KEY `restore_journal_kept` (`kept_until`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table session','CREATE TABLE `session` (\n  `token_hash` binary(32) NOT NULL,\n  `user_id` int(10) unsigned NOT NULL,\n  `created_at` datetime(6) NOT NULL,\n  `last_seen_at` datetime(6) NOT NULL,\n  `expires_at` datetime(6) NOT NULL,\n  `remote` varchar(45) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,\n  `user_agent` varchar(255) DEFAULT NULL,\n  PRIMARY KEY (`token_hash`),\n  KEY `session_user` (`user_id`),\n  KEY `session_expires` (`expires_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table smtp_test','CREATE TABLE `smtp_test` (\n  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n  `started_at` datetime(6) NOT NULL,\n  `lease_until` datetime(6) NOT NULL,\n  `finished_at` datetime(6) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  KEY `smtp_test_started` (`started_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table transaction_guard','CREATE TABLE `transaction_guard` (\n  `name` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  PRIMARY KEY (`name`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table undeliverable_address','CREATE TABLE `undeliverable_address` (\n  `recipient` varchar(254) NOT NULL,\n  `since` datetime(6) NOT NULL,\n  `code` smallint(5) unsigned DEFAULT NULL,\n  `reply` varchar(500) DEFAULT NULL,\n  PRIMARY KEY (`recipient`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399'),
('sysndd_ops','table worker','CREATE TABLE `worker` (\n  `name` varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `queue` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n  `started_at` datetime(6) NOT NULL,\n  `seen_at` datetime(6) NOT NULL,\n  PRIMARY KEY (`name`),\n  KEY `worker_queue` (`queue`,`seen_at`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci','10.11.19-MariaDB-0+deb12u1','2026-11-30 18:07:20.967399');
/*!40000 ALTER TABLE `schema_object` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `schema_version`
--

DROP TABLE IF EXISTS `schema_version`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `schema_version` (
  `filename` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `checksum` varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `statements_checksum` varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `applied_at` datetime(6) NOT NULL COMMENT 'UTC',
  `duration_ms` bigint(20) unsigned NOT NULL DEFAULT 0,
  `statements` int(10) unsigned NOT NULL,
  `success` tinyint(1) NOT NULL,
  `applied_by` varchar(320) NOT NULL,
  `tool_version` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `run_id` char(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL COMMENT 'names the rows of this run in migration_journal',
  `error` text DEFAULT NULL,
  PRIMARY KEY (`filename`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `schema_version`
--

LOCK TABLES `schema_version` WRITE;
/*!40000 ALTER TABLE `schema_version` DISABLE KEYS */;
INSERT INTO `schema_version` VALUES
('001_platform.sql','sha256:6edc1bc9121fef48650b4ec937b22e331e496dbe376b1fa1f66bbb3351b37459','sha256:3454338d2e16d11b9746cbf8ac5eb0404f3bbbb97c37e680eedbafc72f5da2ab','2026-11-30 18:07:20.763561',64,19,1,'tester@%','0.9.0','ad7cf100f56840449325d8a09d7ea102',NULL);
/*!40000 ALTER TABLE `schema_version` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `session`
--

DROP TABLE IF EXISTS `session`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `session` (
  `token_hash` binary(32) NOT NULL,
  `user_id` int(10) unsigned NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `last_seen_at` datetime(6) NOT NULL,
  `expires_at` datetime(6) NOT NULL,
  `remote` varchar(45) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `user_agent` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`token_hash`),
  KEY `session_user` (`user_id`),
  KEY `session_expires` (`expires_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `session`
--

LOCK TABLES `session` WRITE;
/*!40000 ALTER TABLE `session` DISABLE KEYS */;
/*!40000 ALTER TABLE `session` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `smtp_test`
--

DROP TABLE IF EXISTS `smtp_test`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `smtp_test` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `started_at` datetime(6) NOT NULL,
  `lease_until` datetime(6) NOT NULL,
  `finished_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `smtp_test_started` (`started_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `smtp_test`
--

LOCK TABLES `smtp_test` WRITE;
/*!40000 ALTER TABLE `smtp_test` DISABLE KEYS */;
/*!40000 ALTER TABLE `smtp_test` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `transaction_guard`
--

DROP TABLE IF EXISTS `transaction_guard`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `transaction_guard` (
  `name` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `transaction_guard`
--

LOCK TABLES `transaction_guard` WRITE;
/*!40000 ALTER TABLE `transaction_guard` DISABLE KEYS */;
INSERT INTO `transaction_guard` VALUES
('administrators'),
('smtp_test');
/*!40000 ALTER TABLE `transaction_guard` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `undeliverable_address`
--

DROP TABLE IF EXISTS `undeliverable_address`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `undeliverable_address` (
  `recipient` varchar(254) NOT NULL,
  `since` datetime(6) NOT NULL,
  `code` smallint(5) unsigned DEFAULT NULL,
  `reply` varchar(500) DEFAULT NULL,
  PRIMARY KEY (`recipient`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `undeliverable_address`
--

LOCK TABLES `undeliverable_address` WRITE;
/*!40000 ALTER TABLE `undeliverable_address` DISABLE KEYS */;
/*!40000 ALTER TABLE `undeliverable_address` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `worker`
--

DROP TABLE IF EXISTS `worker`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `worker` (
  `name` varchar(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `queue` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `started_at` datetime(6) NOT NULL,
  `seen_at` datetime(6) NOT NULL,
  PRIMARY KEY (`name`),
  KEY `worker_queue` (`queue`,`seen_at`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `worker`
--

LOCK TABLES `worker` WRITE;
/*!40000 ALTER TABLE `worker` DISABLE KEYS */;
/*!40000 ALTER TABLE `worker` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Dumping events for database 'sysndd_ops'
--

--
-- Dumping routines for database 'sysndd_ops'
--

--
-- Current Database: `sysndd`
--

USE `sysndd`;

--
-- Final view structure for view `doubled`
--

/*!50001 DROP VIEW IF EXISTS `doubled`*/;
/*!50001 SET @saved_cs_client          = @@character_set_client */;
/*!50001 SET @saved_cs_results         = @@character_set_results */;
/*!50001 SET @saved_col_connection     = @@collation_connection */;
/*!50001 SET character_set_client      = utf8mb4 */;
/*!50001 SET character_set_results     = utf8mb4 */;
/*!50001 SET collation_connection      = utf8mb4_general_ci */;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`tester`@`%` SQL SECURITY DEFINER */
/*!50001 VIEW `doubled` AS select `a table`.`id` AS `id`,`a table`.`title` AS `title`,`twice`(`a table`.`id`) AS `n` from `a table` */;
/*!50001 SET character_set_client      = @saved_cs_client */;
/*!50001 SET character_set_results     = @saved_cs_results */;
/*!50001 SET collation_connection      = @saved_col_connection */;

--
-- Final view structure for view `entity_view`
--

/*!50001 DROP VIEW IF EXISTS `entity_view`*/;
/*!50001 SET @saved_cs_client          = @@character_set_client */;
/*!50001 SET @saved_cs_results         = @@character_set_results */;
/*!50001 SET @saved_col_connection     = @@collation_connection */;
/*!50001 SET character_set_client      = utf8mb4 */;
/*!50001 SET character_set_results     = utf8mb4 */;
/*!50001 SET collation_connection      = utf8mb4_general_ci */;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`tester`@`%` SQL SECURITY INVOKER */
/*!50001 VIEW `entity_view` AS select `e`.`entity_id` AS `entity_id`,`e`.`hgnc_id` AS `hgnc_id`,`g`.`symbol` AS `symbol`,`g`.`name` AS `gene_name`,`e`.`disease_id` AS `disease_id`,`d`.`name` AS `disease_name`,`e`.`inheritance_id` AS `inheritance_id`,`m`.`term` AS `inheritance_term`,`m`.`short_term` AS `inheritance_short_term`,`m`.`sort` AS `inheritance_sort`,`e`.`category` AS `category`,`c`.`sort` AS `category_sort`,`e`.`status` AS `status`,`e`.`ndd_phenotype` AS `ndd_phenotype`,`e`.`is_active` AS `is_active`,`e`.`replaced_by` AS `replaced_by`,`e`.`entry_user` AS `entry_user`,`e`.`created_at` AS `created_at`,`e`.`updated_at` AS `updated_at` from ((((`entity` `e` join `gene` `g` on(`g`.`hgnc_id` = `e`.`hgnc_id`)) join `disease` `d` on(`d`.`disease_id` = `e`.`disease_id`)) join `mode_of_inheritance` `m` on(`m`.`inheritance_id` = `e`.`inheritance_id`)) join `entity_category` `c` on(`c`.`category` = `e`.`category`)) */;
/*!50001 SET character_set_client      = @saved_cs_client */;
/*!50001 SET character_set_results     = @saved_cs_results */;
/*!50001 SET collation_connection      = @saved_col_connection */;

--
-- Current Database: `sysndd_before_0d92a58d`
--

USE `sysndd_before_0d92a58d`;

--
-- Current Database: `sysndd_ops`
--

USE `sysndd_ops`;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed
