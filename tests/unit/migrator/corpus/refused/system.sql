system touch pwned
