"""Recall: which lines answer a question, and in what order."""
