SELECT 5--/* c */3;
