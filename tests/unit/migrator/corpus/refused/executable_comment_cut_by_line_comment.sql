SELECT 1 /*!50000 , 2 -- tail */;
