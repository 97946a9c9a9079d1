"""The database: pool, connections, transactions, the schema lock, and readers of definitions."""
