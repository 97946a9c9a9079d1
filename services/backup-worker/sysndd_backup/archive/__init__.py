"""Backup files: compression, encryption, off-site copies and retention."""
