SELECT 1;
\! touch pwned
