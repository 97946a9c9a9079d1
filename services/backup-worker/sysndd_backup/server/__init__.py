"""The database server: who it is, its client programs, and the session that changes schemas."""
