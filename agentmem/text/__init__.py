"""How text is read: words and terms, what two texts share, chunks, relative dates, secrets. Pure, and of no store."""
