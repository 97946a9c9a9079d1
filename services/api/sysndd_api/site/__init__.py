"""The site that the platform serves: attaching its schema, and binding the platform schema."""
