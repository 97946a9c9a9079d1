"""Registration, the table ``user``, and the tokens of emailed links."""
