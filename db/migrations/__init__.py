"""Numbered, reversible changes of the tables; run in order at start, never edited once released."""
