SELECT 'größer; é', 1 AS `naïve;col`, '日本語;', '😀;' AS smile;
-- Übung; 日本
SELECT 2 AS größe;
