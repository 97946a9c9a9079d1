"""The public read of genes and entities."""
