"""How to cite what the page shows."""

from bench.environment import installed

PACKAGE = "efficient-training-bench"
BIBTEX = """@misc{{efficient_training_bench,
  title   = {{Efficient-training benchmark: accuracy, cost and time of networks and recipes on CIFAR-100}},
  author  = {{{{The contributors of {package}}}}},
  version = {{{version}}},
  note    = {{{note}}}
}}"""
# What BibTeX would take for its own, as TeX prints it.
SPECIAL = str.maketrans({"{": r"\{", "}": r"\}", "\\": "/", "_": r"\_", "%": r"\%", "#": r"\#", "&": r"\&", "$": r"\$"})


def citation(provenance: str) -> str:
    """Return a BibTeX entry that names the version of the suite and the command that made the page."""
    note = provenance.translate(SPECIAL)
    return BIBTEX.format(package=PACKAGE, version=installed(PACKAGE) or "unknown", note=note)
