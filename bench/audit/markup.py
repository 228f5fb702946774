"""Escaping in CSV: texts from files must not become formulas."""

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def csv_cell(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula: numbers stay, other leading signs are quoted."""
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text
