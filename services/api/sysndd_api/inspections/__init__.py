"""Looking before a restore: a dry run, and single tables beside live."""
