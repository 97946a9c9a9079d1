"""Backups: list, take, download, restore."""
