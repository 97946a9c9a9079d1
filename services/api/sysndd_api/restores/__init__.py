"""Undoing a restore, and seeing what one would change."""
