"""The contradictions worth knowing, each with its figures; every one is computed from the judgements, none is written.

A lesson is a function of the judgements and the evidence that returns Markdown, or None where it has no instance.
"""

from bench.audit.lessons import figures, logs
from bench.audit.lessons.parts import Lesson

LESSONS: tuple[Lesson, ...] = (
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
