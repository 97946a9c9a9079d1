"""Sign-in, sessions and administrators."""
