"""Where backups are written to: the directory, and a second place."""
