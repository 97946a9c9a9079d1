DROP TABLE IF EXISTS `t_dump`;
CREATE TABLE `t_dump` (
  `id` int(11) NOT NULL,
  `v` varchar(20) DEFAULT NULL COMMENT 'a;b',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;
LOCK TABLES `t_dump` WRITE;
/*!40000 ALTER TABLE `t_dump` DISABLE KEYS */;
INSERT INTO `t_dump` VALUES (1,'x;y'),(2,'it\'s');
/*!40000 ALTER TABLE `t_dump` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE t_dump;
