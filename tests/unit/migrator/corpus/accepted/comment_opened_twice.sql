/* a /* b */ SELECT 1;
SELECT /* c /* d; */ 2;
