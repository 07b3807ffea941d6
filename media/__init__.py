"""What a file is: its kind by content, never by name, and what is inside it. Knows nothing of rows or stores."""
