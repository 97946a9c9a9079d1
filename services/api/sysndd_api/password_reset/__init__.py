"""Password reset and password change."""
