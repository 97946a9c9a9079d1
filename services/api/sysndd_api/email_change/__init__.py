"""Email changes, confirmed by both addresses."""
