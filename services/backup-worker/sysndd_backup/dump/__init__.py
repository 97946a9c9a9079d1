"""Dumps the application schema and compares the dump with information_schema."""
