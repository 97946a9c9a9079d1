/* one;
 two; SELECT 9;
 * it's three
 **/
SELECT 1;
/***/ SELECT 2; /**/
