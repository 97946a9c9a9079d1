SELECT 1 / 2, 3 * 4, 5 % 2, 7 -- minus
- 1, 2*/*c*/3, !0, ~1, 1 <=> 1;
SELECT @a := 1;
