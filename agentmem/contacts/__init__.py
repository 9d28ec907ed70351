"""Contacts: who a caller is, and what each agent knows of them."""
