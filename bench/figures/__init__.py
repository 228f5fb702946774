"""Figures of run records: the same conditions as the tables show, drawn for slides (`python -m bench.figures`)."""
