"""What our short runs show beside the deck's claims: many of its networks by one recipe of a fraction of its budget.

They decide no claim, since an order after 10 epochs need not be the order after 300. The recipe is the one under which
most of the claimed networks have finished runs on CIFAR-100's test images.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from bench.analysis import stats
from bench.analysis.health import DECK_SPEC, FULL_LENGTH, recipe_of
from bench.analysis.identity import recipe_without_model
from bench.analysis.metrics import HEADLINE
from bench.analysis.run_groups import RunGroup, group_runs, hashable, steps_text
from bench.analysis.sources import counts_agree
from bench.audit.claims import Claim, Subject
from bench.audit.differences import base_row
from bench.audit.evidence import Evidence
from bench.audit.wording import counted_noun, minus, signed
from bench.records import RunRecord
from bench.util.dotted import value_at
from bench.util.markdown import code, escape, markdown_table

# Fewer networks than this are no comparison.
FEWEST = 3
NO_GAP = "–"


class ShortRuns(NamedTuple):
    """The runs of claimed networks by one short recipe, by the row of the claims; `duration` is the declared one."""

    duration: str
    steps: str
    groups: Mapping[str, RunGroup]

    @property
    def share(self) -> str:
        """Return the length in words, with the deck's beside it."""
        return f"{self.duration} ({self.steps} steps) in place of {DECK_SPEC['max_duration']}"


def find_short_runs(evidence: Evidence) -> ShortRuns | None:
    """Return the runs of the short recipe that most claimed networks were trained by; None where fewer than 3 were.

    Rows of the claims that are one network count once.
    """
    rows = list(dict.fromkeys(c.row for c in evidence.claims.values() if c.metric in ("top1", "best_top1")))
    by_recipe: dict[Any, dict[str, RunGroup]] = defaultdict(dict)
    for run_group in group_runs(filter(is_short, evidence.runs))[0]:
        for row in rows:
            if evidence.trained(run_group.records[0], Subject.parse(row)):
                by_recipe[hashable(recipe_without_model(run_group.spec))].setdefault(row, run_group)
    found = max(by_recipe.values(), key=lambda groups: len(set(map(network_of, groups.values()))), default={})
    if len(set(map(network_of, found.values()))) < FEWEST:
        return None
    first = next(iter(found.values()))
    return ShortRuns(str(first.spec["max_duration"]), steps_text(first), found)


def network_of(run_group: RunGroup) -> str:
    """Return what tells a network from others, whatever it is called: its fingerprint, else its label."""
    return run_group.fingerprint or run_group.label


def is_short(run: RunRecord) -> bool:
    """Tell whether a run is evaluated where the claims are, in full, but shorter than the recipes that decide them."""
    tested = all(value_at(run.spec, key) == DECK_SPEC[key] for key in ("data.name", "data.split"))
    return bool(run.finished and tested and counts_agree(run) and recipe_of(run.spec) not in FULL_LENGTH)


def short_runs_section(evidence: Evidence) -> list[str]:
    """Return the section of the report: accuracies and differences beside the claims; nothing without such runs."""
    short = find_short_runs(evidence)
    if short is None:
        return []
    note = (
        f"Our runs of {short.share} stand beside the claims and decide none. Their top-1 is of the last epoch; "
        "intervals are 95 % t-intervals over seeds."
    )
    return ["## Our short runs beside the claims", note, *_accuracies(short, evidence), *_differences(short, evidence)]


def _accuracies(short: ShortRuns, evidence: Evidence) -> list[str]:
    """Return how the two orders agree, and each network's claimed and short top-1 with its place among these."""
    claims = [c for c in evidence.claims.values() if (c.table, c.metric) == ("comparison", HEADLINE)]
    chosen = [c for c in claims if c.row in short.groups]
    if len({network_of(short.groups[c.row]) for c in chosen}) < FEWEST:
        return []
    ours = {c.row: stats.mean_interval(list(short.groups[c.row].values(HEADLINE).values())) for c in chosen}
    claimed_places = places([c.value for c in chosen])
    our_places = dict(zip(ours, places([estimate.mean for estimate in ours.values()]), strict=True))
    rows = [
        [
            *(code(c.row), c.text, str(place), _interval(ours[c.row]), str(ours[c.row].n), str(our_places[c.row])),
            *(_gap(c, evidence), _own_gap(short.groups[c.row])),
        ]
        for c, place in sorted(zip(chosen, claimed_places, strict=True), key=lambda pair: pair[1])
    ]
    headings = ["Network", "Claimed top-1", "Place", "Ours, short", "n", "Place", "Claimed top-5 − top-1", "Ours"]
    words = f"{_agreement(short, chosen)} {_round_gaps(chosen, evidence)}".strip()
    return [words, markdown_table(headings, rows, right=range(1, 8))]


def _agreement(short: ShortRuns, chosen: Sequence[Claim]) -> str:
    """Return how the claimed order and ours agree, over distinct networks: the mean of the claims, and of the runs."""
    from scipy.stats import spearmanr  # imported here: it takes a second, and most that import this need none of it

    claimed: dict[str, list[float]] = defaultdict(list)
    ours: dict[str, dict[str, float]] = defaultdict(dict)
    for claim in chosen:
        run_group = short.groups[claim.row]
        claimed[network_of(run_group)].append(claim.value)
        ours[network_of(run_group)].update(run_group.values(HEADLINE))
    pairs = [(fmean(claimed[network]), fmean(ours[network].values())) for network in claimed]
    rho = float(spearmanr(*zip(*pairs, strict=True)).statistic)
    return (
        f"The two orders of the {len(pairs)} distinct networks (by fingerprint) in these {len(chosen)} rows agree with "
        f"Spearman's ρ = {minus(f'{rho:.2f}')}: a network under several names counts once, by the mean of its claims."
    )


def places(values: Sequence[float]) -> list[int]:
    """Return the place of each value, the highest first; equal values share one."""
    return [1 + sum(other > value for other in values) for value in values]


def _interval(estimate: stats.Estimate) -> str:
    """Return a mean with half its interval, if it has one."""
    half = estimate.half_width
    return f"{estimate.mean:.2f}" + (f" ± {half:.2f}" if half is not None else "")


def _gap(claim: Claim, evidence: Evidence) -> str:
    """Return the claimed gap between top-5 and top-1, in points."""
    found = evidence.claims.get((claim.table, claim.row, "top5"))
    return f"{found.value - claim.value:.2f}" if found else NO_GAP


def _round_gaps(chosen: Sequence[Claim], evidence: Evidence) -> str:
    """Return how many of some claimed gaps between top-5 and top-1 are the most frequent one to the digit."""
    gaps = Counter(gap for claim in chosen if (gap := _gap(claim, evidence)) != NO_GAP)
    if not gaps:
        return ""
    value, count = gaps.most_common(1)[0]
    return f"The deck's gap between top-5 and top-1 is exactly {value} in {count} of {gaps.total()} rows; ours varies."


def _own_gap(run_group: RunGroup) -> str:
    """Return the measured gap between top-5 and top-1, in points, as a mean over the runs."""
    top1, top5 = run_group.values(HEADLINE), run_group.values("top5")
    gaps = [top5[run] - top1[run] for run in top1 if run in top5]
    return f"{sum(gaps) / len(gaps):.2f}" if gaps else NO_GAP


def _differences(short: ShortRuns, evidence: Evidence) -> list[str]:
    """Return the claimed differences of the ablations whose two arms have short runs, with ours."""
    rows = []
    for claim in evidence.claims.values():
        if claim.metric != "delta_top1":
            continue
        base = base_row(claim.table)
        if claim.row in short.groups and base in short.groups:
            ours = _difference(short.groups[base], short.groups[claim.row])
            rows.append([escape(claim.table), code(claim.row), code(base), minus(claim.text), *ours])
    headings = ["Table", "Arm", "Base", "Claimed Δ", "Ours, short", "Seeds", "What ours say"]
    return [markdown_table(headings, rows, right=(3, 4, 5))] if rows else []


def _difference(base: RunGroup, arm: RunGroup) -> list[str]:
    """Return the mean difference over common seeds with its interval, their number, and what that shows."""
    ours, theirs = base.by_seed(HEADLINE), arm.by_seed(HEADLINE)
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return ["–", "0", "no seed in common"]
    found = stats.paired([ours[seed] for seed in common], [theirs[seed] for seed in common])
    if base.fingerprint is not None and base.fingerprint == arm.fingerprint:
        says = "the same network: noise"
    elif found.low is None or found.high is None:
        says = f"{counted_noun(len(common), 'pair')} of runs: no interval"
    else:
        says = "no difference shown" if found.low <= 0 <= found.high else "a difference"
    ends = "" if found.low is None or found.high is None else f" [{signed(found.low, 2)}, {signed(found.high, 2)}]"
    return [signed(found.delta, 2) + ends, str(len(common)), says]
