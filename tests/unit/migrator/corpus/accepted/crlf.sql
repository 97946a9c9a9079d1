SELECT 1;
SELECT
  2;

-- comment
SELECT 3;
