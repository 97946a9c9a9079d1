"""Verifies a backup: loads it, dumps it again, and compares the two part by part."""
