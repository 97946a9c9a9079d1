"""The text of SQL: quoting of names."""
