"""What is recorded: the ledger, the journal, and where each file stands."""
