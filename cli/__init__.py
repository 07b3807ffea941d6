"""The shell: parse arguments, call the library or the hub, say in one line what went wrong."""
