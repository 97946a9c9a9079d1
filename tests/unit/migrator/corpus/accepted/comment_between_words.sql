SELECT/**/1;
SELECT /* a; */ 2 /* b; */;
SELECT
-- a;
3;
