"""Numbered, reversible changes of the tables; run in order at start by `db/migrating.py`, never edited once released."""
