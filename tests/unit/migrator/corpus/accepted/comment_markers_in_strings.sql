SELECT '-- no', '# no', '/* no', '*/', "-- no", 1 AS `# -- /*`;
SELECT 2;
