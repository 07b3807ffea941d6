"""Owns ComfyUI's graphs as JSON: how they are walked, what they say of an output. It knows no HTTP, rows or torch."""
