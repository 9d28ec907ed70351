"""Archival memory: lines in SQL, searched exactly when few and through an index when many."""
