"""The account pages: sign-in, registration, emailed links, and the user's own account."""
