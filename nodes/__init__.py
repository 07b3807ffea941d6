"""The nodes: take what a graph gives, call the library, give the graph what it asked for. No rule lives here."""
