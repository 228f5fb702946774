"""The loss of distillation against its definition in scipy and in torch's distributions, and its gradient's size."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from composer.core import Event
from scipy.special import rel_entr, softmax
from torch.distributions import Categorical, kl_divergence

from algorithms.distillation import Distillation, soft_divergence

DRAW = torch.Generator().manual_seed(0)
STUDENT, TEACHER = (3 * torch.randn(16, 100, generator=DRAW) for _ in range(2))


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_divergence_is_the_one_of_scipy_and_of_torch(temperature: float) -> None:
    found = float(soft_divergence(STUDENT, TEACHER, temperature))
    ours, theirs = (softmax(part.double().numpy() / temperature, axis=1) for part in (STUDENT, TEACHER))
    assert found == pytest.approx(temperature**2 * np.mean(np.sum(rel_entr(theirs, ours), axis=1)), rel=1e-5)
    student, teacher = (Categorical(logits=part / temperature) for part in (STUDENT, TEACHER))
    assert found == pytest.approx(float(temperature**2 * kl_divergence(teacher, student).mean()), rel=1e-5)


def test_at_a_high_temperature_the_gradient_is_that_of_matched_logits() -> None:
    """Hinton et al., section 2.1: it approaches (student - teacher) / classes of logits with zero mean."""
    student = (STUDENT - STUDENT.mean(1, keepdim=True)).double().requires_grad_()
    teacher = (TEACHER - TEACHER.mean(1, keepdim=True)).double()
    (gradient,) = torch.autograd.grad(soft_divergence(student, teacher, 1e6), student)
    torch.testing.assert_close(gradient, (student - teacher).detach() / 100 / 16, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_the_loss_is_the_weighted_sum(alpha: float) -> None:
    seen = []

    def teach(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return TEACHER

    images, labels = torch.zeros(16, 3, 8, 8), torch.zeros(16, dtype=torch.long)
    state: Any = SimpleNamespace(batch=(images, labels), outputs=STUDENT, loss=torch.tensor(2.0))
    algorithm = Distillation(teach, temperature=2.0, alpha=alpha)
    assert [event for event in Event if algorithm.match(event, state)] == [Event.AFTER_LOSS]
    algorithm.apply(Event.AFTER_LOSS, state, cast("Any", None))
    wanted = alpha * float(soft_divergence(STUDENT, TEACHER, 2.0)) + (1 - alpha) * 2.0
    assert float(state.loss) == pytest.approx(wanted)
    assert seen == [images]


def test_a_student_that_agrees_has_nothing_to_learn() -> None:
    student = TEACHER.clone().requires_grad_()
    divergence = soft_divergence(student, TEACHER + 5.0, 4.0)
    (gradient,) = torch.autograd.grad(divergence, student)
    assert float(divergence.detach()) == pytest.approx(0.0, abs=1e-5)
    assert float(gradient.abs().max()) < 1e-6
