SELECT '*/ ; /*';
SELECT 2;
