"""What DeepSpeed cannot train, or would train as another recipe: refused before anything is written."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bench.data.prepare import Image
from bench.spec import RunSpec
from bench.util.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

REQUIREMENT = "deepspeed==0.19.8"
# Algorithm → from which ZeRO stage on it does not go with DeepSpeed, and why.
REFUSED: Mapping[str, tuple[int, str]] = {
    "sam": (0, "it goes backward twice for each update, which the engine does by itself once"),
    "selective_backprop": (0, "it goes forward outside of the engine's step"),
    "distillation": (0, "it adds to the loss when the engine has gone backward already"),
    "layer_freezing": (1, "it takes parameters out of the optimizer, whose state is partitioned"),
    "swa": (1, "it puts its average in the place of weights of which the engine holds a second copy"),
    "ema": (3, "it averages whole weights after each step, when they are partitioned"),
    "weight_standardization": (3, "it computes filters from whole weights, which are partitioned"),
    "progressive_resizing": (3, "its cost is counted on a whole network, which is partitioned"),
}


def refusals(spec: RunSpec) -> list[str]:
    """Return why a spec cannot be trained with DeepSpeed, each reason with the key that it is about."""
    section, stage = spec.deepspeed, spec.deepspeed.zero_stage
    clipping = spec.algorithms.get("gradient_clipping", {}).get("clipping_type", "norm")
    found = [
        (
            spec.compile,
            "key 'compile': a compiled network does not go with engine=deepspeed, which hooks into its modules",
        ),
        (
            spec.optimizer.name == "muon" and stage > 0,
            f"key 'optimizer.name': 'muon' updates whole matrices, which ZeRO {stage} partitions: "
            "use deepspeed.zero_stage=0, or engine=composer",
        ),
        (
            clipping != "norm",
            f"key 'algorithms.gradient_clipping.clipping_type': '{clipping}': DeepSpeed clips by 'norm' alone",
        ),
        (
            section.offload_optimizer and stage == 0,
            "key 'deepspeed.offload_optimizer': ZeRO 0 offloads nothing; use deepspeed.zero_stage=1, 2 or 3",
        ),
        (
            bool(spec.augmentation.sizes) and stage == 3,
            "key 'augmentation.sizes': its cost is counted on a whole network, which ZeRO 3 partitions",
        ),
    ]
    for name, (least, why) in REFUSED.items():
        with_stages = "engine=deepspeed" if least == 0 else f"ZeRO {stage}"
        words = f"key 'algorithms.{name}': it does not go with {with_stages}: {why}"
        found.append((name in spec.algorithms and stage >= least, words))
    return [words for refused, words in found if refused]


def require_deepspeed() -> None:
    """Refuse to go on without DeepSpeed, with the command that installs it."""
    if find_spec("deepspeed") is None:
        raise BadInput(
            f"engine=deepspeed needs the package 'deepspeed', which is not installed: pip install '{REQUIREMENT}'"
        )


def check_deepspeed(spec: RunSpec, world_size: int) -> None:
    """Refuse a run that DeepSpeed cannot train in so many processes, with every reason."""
    require_deepspeed()
    reasons = refusals(spec)
    if reasons:
        raise BadInput("\n".join(reasons))
    check_parts(spec, world_size)
    check_device_of(spec)


def check_parts(spec: RunSpec, world_size: int) -> None:
    """Refuse a process's batch that cannot be parted as the spec says, or is too small for an algorithm then."""
    from bench.algorithm_settings import check_process_batch

    samples, parts = spec.batch_size // world_size, spec.deepspeed.accumulation_steps
    if samples % parts:
        raise BadInput(
            f"key 'deepspeed.accumulation_steps': {parts} does not divide the {samples} images that each process gets "
            "of a batch"
        )
    check_process_batch(spec.algorithms, samples // parts)


def check_device_of(spec: RunSpec) -> None:
    """Refuse to offload from a CPU to itself."""
    from bench.engines.precision import find_device

    if spec.deepspeed.offload_optimizer and find_device(spec.device) == "cpu":
        raise BadInput(
            "key 'deepspeed.offload_optimizer': on a CPU the optimizer's state is in the host's memory anyway"
        )


def check_unused(network: "nn.Module", image: Image) -> None:
    """Refuse a network with parameters that take no part in the loss: DeepSpeed would decay them."""
    from bench.engines.fast_import import import_composer

    import_composer()
    from bench.engines.unused import unused_parameters

    names = unused_parameters(network, image)
    if names:
        raise BadInput(
            f"key 'engine': 'deepspeed' would decay parameters that do not contribute to the loss "
            f"({', '.join(names)}): use engine=composer, which leaves them as they are"
        )
