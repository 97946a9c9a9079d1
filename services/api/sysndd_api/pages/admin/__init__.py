"""The administration pages, one module for each area."""
