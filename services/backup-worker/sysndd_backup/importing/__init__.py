"""Imports dumps from elsewhere."""
