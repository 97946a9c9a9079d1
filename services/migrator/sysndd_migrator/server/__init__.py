"""The connection that migrates: session, lock, who blocks it, and what a schema holds."""
