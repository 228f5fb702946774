"""Distillation: a small network learns from the outputs of a larger, trained one beside the labels.

What: the teacher sees the same augmented images as the student. To the loss comes how far the student's probabilities
are from the teacher's (the Kullback-Leibler divergence), both softened by a temperature T:

    loss = alpha · T² · KL(teacher ‖ student) + (1 - alpha) · the recipe's own loss

T² keeps the size of the gradients when T changes. Label smoothing, MixUp and CutMix act on the recipe's own loss; of a
mixed image the teacher's target is what it makes of the mixture.

When it pays: a student that is too small to fit the training set. Cost: a forward pass of the teacher for each image.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
"""

from collections.abc import Callable

from composer.core import Algorithm, Event, State
from composer.loggers import Logger
from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def soft_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T² · KL(teacher ‖ student), a mean over images, of N×classes logits softened by a temperature T."""
    ours, theirs = (log_softmax(logits / temperature, dim=1) for logits in (student, teacher))
    return temperature**2 * kl_div(ours, theirs, reduction="batchmean", log_target=True)


class Distillation(Algorithm):
    """Add the divergence from a teacher's outputs to the loss of each step.

    `teacher` returns the float32 logits, N×classes, of a batch of images as the student gets them, without gradients.
    It is no part of a checkpoint.
    """

    def __init__(self, teacher: Callable[[Tensor], Tensor], temperature: float = 4.0, alpha: float = 0.9) -> None:
        self.teacher, self.temperature, self.alpha = teacher, temperature, alpha

    def match(self, event: Event, state: State) -> bool:
        """Run when a step's loss is there."""
        return event == Event.AFTER_LOSS

    def apply(self, event: Event, state: State, logger: Logger) -> None:
        """Put the weighted sum in the place of the loss."""
        images, _ = state.batch
        divergence = soft_divergence(state.outputs.float(), self.teacher(images), self.temperature)
        state.loss = self.alpha * divergence + (1 - self.alpha) * state.loss
