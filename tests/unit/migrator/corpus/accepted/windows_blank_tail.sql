SELECT 1;

   
