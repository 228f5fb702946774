"""The evaluators as one dict: name → what it measures, its quantities, and the functions; none imports torch here.

An evaluator is a row here and the file that it names, which has `measure(trained, predictions)`, returning plain data
that holds the row's quantities by their names, and `show(measured)`, returning the lines that are printed. One that
measures several runs together has `measure_together(networks)` in place of the former. `python -m bench.evaluate RUN
--what NAME` runs it and keeps what it measured as `evaluation/NAME.json` below the run. The quantities are columns of
the table that the row names (`bench.tables.evaluated`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bench.analysis.metrics import Quantity

if TYPE_CHECKING:
    from bench.evaluate.trained import Predictions, Trained

Measured = Mapping[str, Any]
# Of confidence, for the calibration error and its diagram.
CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Evaluator:
    """What an evaluator measures and by which publication, and the module that does.

    `images` is how many images it measures unless all are asked for, chosen by a key that is the same for everybody;
    None: always all. `table` names the table of its quantities. `together`: all runs of a command are measured in one
    go. `timed`: what it measures is a property of the machine too. `draws`: its module has `draw(trained, measured)`,
    which returns a PNG that is kept too; the user may name its images. `needs`: packages that an extra brings. Raise
    `version` when it measures something else than before, so that what was kept is measured again.
    """

    summary: str
    module: str
    source: str = ""
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    table: str | None = None
    images: int | None = None
    together: bool = False
    timed: bool = False
    draws: bool = False
    needs: tuple[str, ...] = ()
    version: int = 1

    @property
    def measure(self) -> "Callable[[Trained, Predictions], Measured]":
        """Return the function from a network and its predictions to plain data."""
        function: Callable[[Trained, Predictions], Measured] = import_module(self.module).measure
        return function

    @property
    def measure_together(self) -> "Callable[[Sequence[Trained]], Sequence[Measured]]":
        """Return the function from several networks to plain data of each."""
        function: Callable[[Sequence[Trained]], Sequence[Measured]] = import_module(self.module).measure_together
        return function

    @property
    def draw(self) -> "Callable[[Trained, Measured], bytes]":
        """Return the function from a network and what was measured of it to a PNG file."""
        function: Callable[[Trained, Measured], bytes] = import_module(self.module).draw
        return function

    @property
    def show(self) -> Callable[[Measured], Sequence[str]]:
        """Return the function from what was measured to lines for the terminal."""
        function: Callable[[Measured], Sequence[str]] = import_module(self.module).show
        return function


def milliseconds(words: str, heading_zh: str) -> Quantity:
    """Return a time in milliseconds."""
    return Quantity(words, heading_zh, unit="ms", higher_is_better=False)


def percent(words: str, heading_zh: str, *, higher_is_better: bool = True) -> Quantity:
    """Return a quantity in percent."""
    return Quantity(words, heading_zh, unit="%", higher_is_better=higher_is_better)


EVALUATORS: dict[str, Evaluator] = {
    "per_class": Evaluator(
        "accuracy of each class, worst first", "bench.evaluate.per_class", "interval: Wilson, JASA 1927"
    ),
    "calibration": Evaluator(
        "whether the probabilities are right: calibration error, likelihood, Brier score",
        "bench.evaluate.calibration",
        "ECE and temperature: Guo et al., ICML 2017; adaptive ECE: Nguyen and O'Connor, EMNLP 2015; Brier, 1950",
        {
            "ece": percent("ECE", "ECE", higher_is_better=False),
            "adaptive_ece": percent("adaptive ECE", "自适应 ECE", higher_is_better=False),
            "nll": Quantity("NLL", "NLL", higher_is_better=False, digits=3),
            "brier": Quantity("Brier score", "Brier 分数", higher_is_better=False, digits=3),
            "confidence": percent("mean confidence", "平均置信度"),
            "temperature": Quantity("temperature", "温度", digits=3),
            "scaled_ece": percent("ECE at that temperature", "该温度下的 ECE", higher_is_better=False),
        },
        table="calibration",
    ),
    "latency": Evaluator(
        "time of a batch of 1 and of 128 images; several runs take turns",
        "bench.evaluate.latency",
        "median and 95th percentile of 100 calls, weights in the caches, images on the device",
        {
            "latency_128": milliseconds("batch 128", "批大小 128"),
            "latency_128_p95": milliseconds("batch 128, 95th percentile", "批大小 128，第 95 百分位"),
            "latency_1": milliseconds("batch 1", "批大小 1"),
            "latency_1_p95": milliseconds("batch 1, 95th percentile", "批大小 1，第 95 百分位"),
        },
        table="latency",
        together=True,
        timed=True,
    ),
    "corruptions": Evaluator(
        "top-1 on images corrupted as in CIFAR-C: 18 kinds at 5 severities",
        "bench.evaluate.corruptions",
        "Hendrycks and Dietterich, ICLR 2019; mean over the 18 kinds drawn by code (frost is missing) and 5 severities",
        {
            "corruption_top1": percent("corrupted top-1", "损坏图像 Top-1"),
            "main_corruption_top1": percent("corrupted top-1, 14 main kinds", "损坏图像 Top-1，14 种主要类型"),
        },
        table="robustness",
        images=2_000,
    ),
    "adversarial": Evaluator(
        "top-1 under attacks within 1/255 to 8/255: FGSM, and PGD of 20 steps",
        "bench.evaluate.adversarial",
        "FGSM: Goodfellow et al., ICLR 2015; PGD: Madry et al., ICLR 2018, 20 steps of an eighth of the bound; "
        "an image lost within a smaller bound counts as lost within a larger one",
        {
            f"{attack}_{budget}_top1": percent(f"{attack.upper()} {budget}/255", f"{attack.upper()} {budget}/255")
            for attack in ("fgsm", "pgd")
            for budget in (1, 2, 4, 8)
        },
        table="robustness",
        images=1_000,
        version=2,
    ),
    "ood": Evaluator(
        "how well certainty tells the images of shapes100, and of CIFAR-10 where it is there, from the network's own",
        "bench.evaluate.ood",
        "highest probability: Hendrycks and Gimpel, ICLR 2017; energy: Liu et al., NeurIPS 2020",
        {
            "ood_softmax": percent("OOD AUROC (shapes100), softmax", "分布外 AUROC（shapes100），softmax"),
            "ood_energy": percent("OOD AUROC (shapes100), energy", "分布外 AUROC（shapes100），能量"),
            "near_softmax": percent("OOD AUROC (CIFAR-10), softmax", "分布外 AUROC（CIFAR-10），softmax"),
            "near_energy": percent("OOD AUROC (CIFAR-10), energy", "分布外 AUROC（CIFAR-10），能量"),
        },
        table="robustness",
        version=2,
    ),
    "attention": Evaluator(
        "a sheet of Grad-CAM maps of the most certain mistakes, or of --images",
        "bench.evaluate.attention",
        "Selvaraju et al., ICCV 2017",
        draws=True,
        needs=("pytorch_grad_cam",),
    ),
    "superclass": Evaluator(
        "accuracy of the 20 superclasses of CIFAR-100",
        "bench.evaluate.superclass",
        "Krizhevsky, 2009",
        {
            "superclass_top1": percent("superclass top-1", "超类 Top-1"),
            "mistakes_within": percent("mistakes within the superclass", "超类内的错误"),
        },
        version=2,
    ),
}


def quantities_of(table: str) -> dict[tuple[str, str], Quantity]:
    """Return (evaluator, quantity) → the quantities that a table shows."""
    return {
        (name, key): quantity
        for name, evaluator in EVALUATORS.items()
        if evaluator.table == table
        for key, quantity in evaluator.quantities.items()
    }
