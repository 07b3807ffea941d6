"""The rows: tables, connections and migrations (Peewee). Knows nothing of HTTP, of ComfyUI or of the rules."""
