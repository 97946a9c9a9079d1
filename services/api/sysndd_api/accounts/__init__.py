"""Registering and confirming accounts; the ``user`` table and the tokens of mailed links."""
