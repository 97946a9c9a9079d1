"""Live, ready, and how each part is."""
