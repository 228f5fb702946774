"""Speed measurements: always ratios within one process, with the variants measured in turns."""
