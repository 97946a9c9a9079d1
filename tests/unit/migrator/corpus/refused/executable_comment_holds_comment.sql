/*!50000 SELECT /* inner */ 1 */;
