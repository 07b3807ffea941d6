"""Kills real processes at work on one database and store, and looks afterwards whether every rule still holds."""
