"""The pages for everyone: signing in, registering, mailed links, and one's own account."""
