"""Which judge judges which kind of claim: a dict one can see. A kind that is not in it is an error, never skipped."""

from collections.abc import Callable, Iterable, Sequence

from bench.analysis.ablations import ablation_names
from bench.audit import accuracy, costs, derived, differences, times
from bench.audit.claims import MEMBERS, Claim, Subject
from bench.audit.evidence import Evidence
from bench.audit.findings import Judgement, Opinion, decide
from bench.util.errors import BadInput, nearest, unknown
from bench.zoo.models import MODELS

Judge = Callable[[Claim, Evidence], Opinion]

_OF_A_MODEL: dict[str, Judge] = {
    "rank": differences.judge_rank,
    "top1": accuracy.judge_top1,
    "top5": accuracy.judge_top5,
    "params": costs.judge_params,
    "flops": costs.judge_macs,
    "train_time": times.judge_train_time,
    "param_efficiency": derived.judge_param_efficiency,
    "flop_efficiency": derived.judge_mac_efficiency,
    "own_design": costs.judge_own_design,
}
_OF_A_TECHNIQUE: dict[str, Judge] = {
    "mean_top1": derived.judge_mean_top1,
    "mean_params": costs.judge_mean_params,
    "mean_flops": costs.judge_mean_macs,
    "mean_train_time": times.judge_mean_train_time,
}
_OF_AN_ABLATION: dict[str, Judge] = {
    "best_top1": accuracy.judge_top1,
    "params": costs.judge_params,
    "train_time": times.judge_train_time,
    "delta_top1": differences.judge_delta,
}
_BY_TABLE = {"comparison": _OF_A_MODEL, "by_technique": _OF_A_TECHNIQUE, "ablation": _OF_AN_ABLATION}
# (kind of table, metric) → judge; every ablation that has a file is a table of one kind.
JUDGES: dict[tuple[str, str], Judge] = {
    (table, metric): judge for table, judges in _BY_TABLE.items() for metric, judge in judges.items()
}


def kind_of(claim: Claim) -> tuple[str, str]:
    """Return what decides which judge a claim has: its kind of table, and its metric."""
    ablations = {f"{differences.ABLATION}{name}" for name in ablation_names()}
    return "ablation" if claim.table in ablations else claim.table, claim.metric


def find_judge(claim: Claim) -> Judge:
    """Return the judge of a claim; raise BadInput for a kind of claim that none judges."""
    kind = kind_of(claim)
    if kind not in JUDGES:
        near = nearest(f"{claim.table} {claim.metric}", known_claims())
        raise BadInput(
            f"no judge for claims of table '{claim.table}', metric '{claim.metric}' (row '{claim.row}').{near}"
        )
    return JUDGES[kind]


def known_claims() -> list[str]:
    """Return every table and metric that has a judge."""
    names = {"ablation": [f"{differences.ABLATION}{name}" for name in ablation_names()]}
    return [f"{name} {metric}" for table, metric in JUDGES for name in names.get(table, [table])]


def check_rows(claim: Claim) -> None:
    """Raise BadInput for a row that names no model of the zoo, and for a mean without members."""
    if claim.table == "by_technique" and not claim.members:
        raise BadInput(f"claim {' '.join(claim.key)}: its note must list '{MEMBERS} MODEL MODEL …'")
    for row in claim.members or (claim.row,):
        if (model := Subject.parse(row).model) not in MODELS:
            raise unknown(f"model in claim {' '.join(claim.key)}:", model, MODELS)


def judge_claim(claim: Claim, evidence: Evidence) -> Judgement:
    """Return the verdict on one claim; raise BadInput when another claim that it follows from is missing."""
    judge = find_judge(claim)
    check_rows(claim)
    try:
        return decide(claim, judge(claim, evidence))
    except KeyError as error:
        raise BadInput(f"claim {' '.join(claim.key)}: {error} is not there to judge it by") from None


def judge_all(claims: Iterable[Claim], evidence: Evidence) -> Sequence[Judgement]:
    """Return one verdict a claim, in the order of the claims."""
    return [judge_claim(claim, evidence) for claim in claims]
