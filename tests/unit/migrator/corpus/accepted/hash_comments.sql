# first; SELECT 9;
SELECT 1 # in the middle; SELECT 9
, 2;#end;
SELECT 3;
#last