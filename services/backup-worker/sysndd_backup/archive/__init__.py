"""Backup files: compression, encryption, the directory, the off-site copy, and retention."""
