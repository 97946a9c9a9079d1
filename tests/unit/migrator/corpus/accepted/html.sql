SELECT '<a href="x?a=1&amp;b=2">it''s; &#39;here&#39;</a><!-- no -->';
SELECT 2;
