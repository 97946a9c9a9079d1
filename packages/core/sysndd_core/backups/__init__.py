"""Stored backups: manifests, the backup directory and off-site storage."""
