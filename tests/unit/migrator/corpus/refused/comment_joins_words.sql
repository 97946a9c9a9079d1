SELECT 1 AS/* c */größe;
SELECT 1 AS gr/* c */öße;
