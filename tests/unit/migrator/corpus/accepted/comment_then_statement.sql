/* lead */ SELECT 1; /* lead */ SELECT 2;
