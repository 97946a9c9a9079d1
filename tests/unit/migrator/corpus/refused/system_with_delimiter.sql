SELECT 1; system touch pwned;
