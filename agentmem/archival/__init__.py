"""Archival memory: lines in SQL, searched exactly when few and through Chroma when many."""
