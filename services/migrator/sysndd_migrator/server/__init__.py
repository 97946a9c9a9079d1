"""The migrator's connection: session, lock, interruption, and what a schema contains."""
