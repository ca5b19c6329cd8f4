"""Single attention heads: what they look at, which relations between words they find, and a parser made of them."""
