"""Replaces the live schema by a backup, all or nothing, and takes it back."""
