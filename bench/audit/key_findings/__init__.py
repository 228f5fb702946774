"""The key findings of the audit, each with its figures, all computed from the checked claims.

Each is a function of the checked claims and the evidence that returns Markdown, or None without an instance.
"""

from bench.audit.key_findings import figures, logs
from bench.audit.key_findings.parts import KeyFinding

KEY_FINDINGS: tuple[KeyFinding, ...] = (
    figures.computed_top5,
    figures.one_network_many_claims,
    figures.other_parameters,
    figures.guessed_macs,
    logs.typed_accuracies,
    figures.deck_against_itself,
    figures.wrong_arithmetic,
    logs.no_log,
    logs.best_epochs,
    logs.invented_times,
    logs.steps_decide,
    logs.padded_test_set,
)
