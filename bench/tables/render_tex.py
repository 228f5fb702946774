"""LaTeX tables with booktabs, to be pasted or \\input into a paper."""

from itertools import pairwise

from bench.tables.page import Entry, Page, Section

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    '"': r"\textquotedbl{}",
    "|": r"$|$",
    "±": r"$\pm$",
    "−": r"$-$",
    "—": "---",
    "–": "--",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "→": r"$\rightarrow$",
    "Δ": r"$\Delta$",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
    "’": "'",
    "“": "``",
    "”": "''",
}
# More columns than these need the smaller type to fit into a text width of 17 cm.
FEW_COLUMNS = 9
MAX_LETTERS, LONG_WORDS = 60, r"p{0.4\textwidth}"
NEEDS = "% \\usepackage{booktabs,graphicx}"
# A table that is wider than the text is scaled down to it.
FIT = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%"
NEEDS_CHINESE = NEEDS + " and \\usepackage{CJKutf8} (within a CJK environment) or xeCJK or ctex"


def escape(text: str) -> str:
    """Return text that LaTeX prints as it is, on one line."""
    words = " ".join(text.split())
    # Two hyphens of a flag ("--update") would become a dash.
    parted = ("{}-" if pair == "--" else SPECIAL.get(pair[1], pair[1]) for pair in map("".join, pairwise(" " + words)))
    return "".join(parted)


def superscript(letters: tuple[str, ...]) -> str:
    """Return the marks of footnotes."""
    return rf"\textsuperscript{{{','.join(letters)}}}" if letters else ""


def line(entries: list[str]) -> str:
    """Return one line of a tabular."""
    return " & ".join(entries) + r" \\"


def entry_text(entry: Entry) -> str:
    """Return an entry with its marks."""
    return escape(entry.text) + superscript(entry.marks)


def heading_text(heading: str, left: bool) -> str:
    """Return a heading over two lines where it has a unit or more than one word, so that its column stays narrow."""
    first, slash, rest = heading.partition("/" if "/" in heading and " (" not in heading else " ")
    if not rest:
        return escape(heading)
    first += slash.strip()
    return rf"\begin{{tabular}}[b]{{@{{}}{'l' if left else 'r'}@{{}}}}{escape(first)}\\{escape(rest)}\end{{tabular}}"


def section_lines(section: Section, columns: int, first: bool) -> list[str]:
    """Return the lines of a block; its heading spans the table and may break."""
    lines = [] if first else [r"\midrule"]
    if section.heading:
        box = rf"\parbox{{0.95\textwidth}}{{\raggedright\emph{{{escape(section.heading)}}}\strut}}"
        lines += [rf"\multicolumn{{{columns}}}{{l}}{{{box}}} \\", r"\addlinespace[2pt]"]
    return [*lines, *(line([entry_text(entry) for entry in row]) for row in section.rows)]


def column_type(page: Page, index: int) -> str:
    """Return the type of a column: numbers to the right, words to the left, long words over several lines."""
    longest = max((len(row[index].text) for section in page.sections for row in section.rows), default=0)
    if not page.left[index]:
        return "r"
    return LONG_WORDS if longest > MAX_LETTERS else "l"


def render_latex(page: Page) -> str:
    """Return a page as a `table*` float that needs booktabs and graphicx; footnotes and notes stand below the rule."""
    body: list[str] = []
    for section in page.sections:
        body += section_lines(section, len(page.headings), first=not body)
    size = "footnotesize" if len(page.headings) <= FEW_COLUMNS else "scriptsize"
    below = [f"{superscript((letter,))}{escape(text)}" for letter, text in page.footnotes]
    below += [escape(note) for note in page.notes]
    return "\n".join(
        [
            NEEDS_CHINESE if page.language == "zh" else NEEDS,
            r"\begin{table*}[tp]",
            rf"\centering\{size}\setlength{{\tabcolsep}}{{3pt}}",
            rf"\caption{{{escape(page.title)}}}\label{{tab:{page.name.replace('_', '-')}}}\par\smallskip",
            FIT,
            rf"\begin{{tabular}}{{@{{}}{''.join(column_type(page, index) for index in range(len(page.left)))}@{{}}}}",
            r"\toprule",
            line([heading_text(*item) for item in zip(page.headings, page.left, strict=True)]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\par\smallskip\parbox{\textwidth}{\raggedright\scriptsize",
            " \\quad\n".join(below),
            r"}",
            r"\end{table*}",
            "",
        ]
    )
