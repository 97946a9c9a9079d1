"""Checks without effect on the live database: lint rules, lock classes, scratch schemas, drift."""
