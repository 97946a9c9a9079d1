SELECT 1 /*!99999 no such thing */;
SELECT 2;
