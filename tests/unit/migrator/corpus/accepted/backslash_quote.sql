SELECT 'it\'s; fine', "a \" b;";
SELECT 2;
