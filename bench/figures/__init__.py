"""Figures of run records: the same run groups as the tables show, drawn for slides (`python -m bench.figures`)."""
