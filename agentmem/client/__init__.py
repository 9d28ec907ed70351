"""The public surface: one file for each group of calls."""
