"""Request statistics of each API process, by minute."""
