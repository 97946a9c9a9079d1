"""Changes of an e-mail address, confirmed at both ends."""
