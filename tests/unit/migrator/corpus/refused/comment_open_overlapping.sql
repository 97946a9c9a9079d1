/*/ SELECT 1;
