SELECT/* it's */'it''s;'/* ; */;
SELECT 2;
