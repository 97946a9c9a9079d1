"""Backups and restores: create, verify, restore, undo, dry run, and inspect single tables."""
