/*!40101 SET @x = 1 */;
SELECT /*!50000 2, */ 3;
SELECT /*! 'a;b' */;
