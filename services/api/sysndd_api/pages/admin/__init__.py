"""The pages of administrators, one module for each area."""
