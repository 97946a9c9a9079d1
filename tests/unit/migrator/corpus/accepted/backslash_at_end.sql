SELECT 'C:\\', "D:\\";
SELECT 'x\\\'; still';
SELECT 3;
