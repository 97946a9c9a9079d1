"""SQL text: quoting of identifiers."""
