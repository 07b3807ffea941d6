"""Owns chains as files and as they run: what a definition says, what a step of one does. Knows no HTTP and no shell.

| module | owns |
| --- | --- |
| `files` | the text of a chain file: plain values, and where each of them stands |
| `definitions` | what a chain is made of, and in which order its steps run |
| `checking` | everything that can be wrong with one, found before anything runs |
| `expressions` | templates and conditions |
"""
