"""Which migrations were applied, with what effect, and which are pending."""
