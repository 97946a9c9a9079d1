"""Applied and pending migrations."""
