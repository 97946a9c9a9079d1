SELECT 'one
two; -- not a comment
# nor this
/* nor this
three';
SELECT 2;
