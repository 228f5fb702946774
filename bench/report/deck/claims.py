"""What of the deck does not hold, in lines of a slide."""

from collections import Counter
from collections.abc import Container, Sequence

from bench.analysis.cells import Phrase
from bench.audit.findings import CONTRADICTED, VERDICTS, CheckedClaim
from bench.audit.key_findings import KEY_FINDINGS
from bench.audit.key_findings.parts import ratio
from bench.audit.report import evidence_of
from bench.audit.wording import minus
from bench.report.deck.grids import claim_sources
from bench.report.deck.material import Material
from bench.report.deck.slides import Line
from bench.report.deck.text import METRICS

# So many corrections stand on a slide; the audit has all.
MOST = 4
COUNTS = "Of the deck's {} figures here {} are confirmed, {} contradicted, {} within noise, {} not testable yet."
BY = {
    "definition": "by the network's definition {}",
    "counted": "counted {}",
    "arithmetic": "by its own figures {}",
    "logs": "its authors' logs have {}",
    "runs": "our runs have {}",
}


def claims_about(
    material: Material, table: str, metrics: Container[str], rows: Container[str] | None = None
) -> list[CheckedClaim]:
    """Return the checked claims of a table about some metrics, and about some rows where those are given."""
    return [
        checked
        for checked in material.checked
        if checked.claim.table == table
        and checked.claim.metric in metrics
        and (rows is None or checked.claim.row in rows)
    ]


def verdict_lines(material: Material, checked: Sequence[CheckedClaim], most: int = MOST) -> list[Line]:
    """Return how many of the deck's figures hold, and those that do not with what does, the worst first."""
    counts = Counter(one.verdict for one in checked)
    tables = list(dict.fromkeys(one.claim.table for one in checked))
    sources = tuple(material.from_audit(table) for table in tables)
    wrong = sorted((one for one in checked if one.verdict == CONTRADICTED), key=ratio, reverse=True)
    lines = [Line(material.say(COUNTS, len(checked), *(counts[verdict] for verdict in VERDICTS)), sources, "small")]
    lines += [correction(material, one) for one in wrong[:most]]
    if len(wrong) > most:
        more = material.say("{} more do not hold; all of them:", len(wrong) - most)
        lines.append(Line(more, sources, "small", sources[0]))
    return lines


def correction(material: Material, checked: CheckedClaim) -> Line:
    """Return a figure of the deck that does not hold, and what does."""
    claim, found = checked.claim, checked.decided
    assert found is not None, "a contradiction rests on a finding"
    unit = f" {claim.unit}" if claim.unit else ""
    about = "≈ " if claim.approx else ""
    value, _, off = evidence_of(checked).partition(" (")
    what = material.say(BY[found.kind], found.text if found.value is None else f"{value}{unit} ({off}")
    if claim.metric == "top5" and found.kind == "arithmetic":
        what = material.say("computed from its top-1, not measured")
    metric, figure = material.say(METRICS[claim.metric]), f"{about}{minus(claim.text)}{unit}"
    words = material.say("{}, {}: the deck says {}; {}", claim.row, metric, figure, what)
    sources = (*claim_sources(material, checked), *material.from_runs(own_runs(material, checked)))
    return Line(words, sources, "correction")


def own_runs(material: Material, checked: CheckedClaim) -> tuple[str, ...]:
    """Return our runs behind a finding that rests on them."""
    if checked.by != "runs":
        return ()
    return tuple(run.run_id for run in material.evidence.own_runs(checked.claim.subject))


def key_findings(material: Material) -> list[Line]:
    """Return the titles of the audit's key findings that have an instance."""
    lines = []
    for finding in KEY_FINDINGS:
        text = finding(material.checked, material.evidence)
        if text:
            title = text.splitlines()[0].removeprefix("### ")
            words = material.say(Phrase(title, zh=KEY_TITLES.get(finding.__name__)))
            lines.append(Line(words, (f"{material.from_audit()}; reports/claims/audit.md",)))
    return lines


# Name of a key finding → its title in Chinese.
KEY_TITLES = {
    "computed_top5": "Top-5 一列由 Top-1 算出，不是测得",
    "one_network_many_claims": "同一个网络，被当作几种不同的效果",
    "other_parameters": "参数量是其他网络的",
    "guessed_macs": "“FLOPs (M)”实为 MACs，且多数并未计数",
    "typed_accuracies": "日志中没有的准确率",
    "deck_against_itself": "演示文稿自相矛盾之处",
    "wrong_arithmetic": "不是均值的“均值”",
    "no_log": "没有运行记录的结果",
    "best_epochs": "在测试集上挑选的最佳轮次",
    "invented_times": "与日志不符的训练时间",
    "steps_decide": "训练方案的影响大于架构",
    "padded_test_set": "被填充的测试集",
}
