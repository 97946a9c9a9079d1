"""Verifies a backup: restores it into a scratch schema, dumps it again, and compares the dumps."""
