"""The lines of archival memory as rows: written, read, merged, expired."""
