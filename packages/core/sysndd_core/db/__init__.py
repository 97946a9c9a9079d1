"""The database: pool, connections, transactions, the schema lock and schema definitions."""
