"""Imports dumps that were taken elsewhere."""
