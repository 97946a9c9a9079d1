-- it's
SELECT 1; # don't "
/* it's ` " */ SELECT 2;
