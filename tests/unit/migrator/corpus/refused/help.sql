? contents
