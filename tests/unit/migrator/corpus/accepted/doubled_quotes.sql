SELECT 'it''s; fine', "say ""hi;""", '''', '''''';
SELECT 2;
