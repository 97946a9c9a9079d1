/* x */ system touch pwned;
