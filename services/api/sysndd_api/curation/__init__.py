"""Genes and entities, read by the public."""
