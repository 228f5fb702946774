"""The report page: its data, its figures, its behaviour in a browser."""
