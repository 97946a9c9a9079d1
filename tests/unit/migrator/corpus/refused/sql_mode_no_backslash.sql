SET @@session.sql_mode = 'NO_BACKSLASH_ESCAPES';
SELECT 'a\';
