"""How busy each API process was, minute by minute."""
