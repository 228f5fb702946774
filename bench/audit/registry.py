"""The check for each kind of claim, as one dict. A kind that is not in it is an error, never skipped."""

from collections.abc import Callable, Iterable, Sequence

from bench.analysis.ablations import ablation_names
from bench.audit import accuracy, costs, derived, differences, times
from bench.audit.claims import MEMBERS, Claim, Subject
from bench.audit.evidence import Evidence
from bench.audit.findings import Assessment, CheckedClaim, decide
from bench.util.errors import BadInput, nearest, unknown
from bench.zoo.models import MODELS

Check = Callable[[Claim, Evidence], Assessment]

_OF_A_MODEL: dict[str, Check] = {
    "rank": differences.check_rank,
    "top1": accuracy.check_top1,
    "top5": accuracy.check_top5,
    "params": costs.check_params,
    "flops": costs.check_macs,
    "train_time": times.check_train_time,
    "param_efficiency": derived.check_param_efficiency,
    "flop_efficiency": derived.check_mac_efficiency,
    "own_design": costs.check_own_design,
}
_OF_A_TECHNIQUE: dict[str, Check] = {
    "mean_top1": derived.check_mean_top1,
    "mean_params": costs.check_mean_params,
    "mean_flops": costs.check_mean_macs,
    "mean_train_time": times.check_mean_train_time,
}
_OF_AN_ABLATION: dict[str, Check] = {
    "best_top1": accuracy.check_top1,
    "params": costs.check_params,
    "train_time": times.check_train_time,
    "delta_top1": differences.check_delta,
}
_BY_TABLE = {"comparison": _OF_A_MODEL, "by_technique": _OF_A_TECHNIQUE, "ablation": _OF_AN_ABLATION}
# (kind of table, metric) → check; the tables of all ablations are of one kind.
CHECKS: dict[tuple[str, str], Check] = {
    (table, metric): check for table, checks in _BY_TABLE.items() for metric, check in checks.items()
}


def kind_of(claim: Claim) -> tuple[str, str]:
    """Return the kind of a claim, which decides its check: kind of table and metric."""
    ablations = {f"{differences.ABLATION}{name}" for name in ablation_names()}
    return "ablation" if claim.table in ablations else claim.table, claim.metric


def find_check(claim: Claim) -> Check:
    """Return the check for a claim; raise BadInput for a kind without one."""
    kind = kind_of(claim)
    if kind not in CHECKS:
        near = nearest(f"{claim.table} {claim.metric}", known_claims())
        raise BadInput(
            f"no check for claims of table '{claim.table}', metric '{claim.metric}' (row '{claim.row}').{near}"
        )
    return CHECKS[kind]


def known_claims() -> list[str]:
    """Return every table and metric with a check."""
    names = {"ablation": [f"{differences.ABLATION}{name}" for name in ablation_names()]}
    return [f"{name} {metric}" for table, metric in CHECKS for name in names.get(table, [table])]


def check_rows(claim: Claim) -> None:
    """Raise BadInput for a row whose model is not in the zoo, and for a mean without members."""
    if claim.table == "by_technique" and not claim.members:
        raise BadInput(f"claim {' '.join(claim.key)}: its note must list the members: '{MEMBERS} MODEL MODEL …'")
    for row in claim.members or (claim.row,):
        if (model := Subject.parse(row).model) not in MODELS:
            raise unknown(f"model in claim {' '.join(claim.key)}:", model, MODELS)


def check_claim(claim: Claim, evidence: Evidence) -> CheckedClaim:
    """Return a claim with its verdict; raise BadInput when another claim that it depends on is missing."""
    check = find_check(claim)
    check_rows(claim)
    try:
        return decide(claim, check(claim, evidence))
    except KeyError as error:
        raise BadInput(f"claim {' '.join(claim.key)}: it depends on claim {error}, which is missing") from None


def check_all(claims: Iterable[Claim], evidence: Evidence) -> Sequence[CheckedClaim]:
    """Return every claim with its verdict, in order."""
    return [check_claim(claim, evidence) for claim in claims]
