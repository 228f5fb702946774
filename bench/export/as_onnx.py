"""ONNX: the network for any runtime of it, checked by onnxruntime on 1,000 images."""

import contextlib
import io
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from bench.evaluate.trained import Trained
from bench.export.network import alike, constants, logits_of, remark, sample
from bench.export.registry import Written, others
from bench.util.errors import BadInput, first_line
from bench.util.files import write_atomically

# The oldest version of ONNX's operators that holds all that the zoo's networks need.
OPSET = 17
CHECKED = 1_000


def write(trained: Trained, network: nn.Module, path: Path) -> Written:
    """Write the network for any batch size, and check that onnxruntime finds the same classes of 1,000 images."""
    images = sample(trained, CHECKED)
    content = convert(trained, network, images[:2])
    found, expected = logits_of(Session(content), images), logits_of(network, images)
    if not alike(found, expected):
        raise BadInput(f"{trained.record.path}: onnxruntime computes other logits of its network than PyTorch")
    same = int((found.argmax(dim=1) == expected.argmax(dim=1)).sum())
    ties = "" if same == len(images) else "; of the others the two best logits are equal but for rounding"
    write_atomically(path, content)
    return Written(
        [
            "import numpy, onnxruntime",
            f"session = onnxruntime.InferenceSession({str(path)!r})",
            f"mean, std = (numpy.array(v, 'float32').reshape(3, 1, 1) for v in ({constants(trained)}))",
            "logits, = session.run(None, {'images': (images.transpose(0, 3, 1, 2) / numpy.float32(255) - mean) / std})"
            f"  {remark(trained, 'array')}",
        ],
        f"checked by onnxruntime {onnxruntime.__version__}: "
        f"the same classes as the run's network for {same:,} of {len(images):,} images{ties}",
    )


def convert(trained: Trained, network: nn.Module, images: Tensor) -> bytes:
    """Return the network as ONNX; raise BadInput where an operation of it has no counterpart there."""
    # The exporter prints what it thinks of the operations, and warns of shapes that it takes for constants.
    with TemporaryDirectory() as folder, warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        file = Path(folder) / "network.onnx"
        try:
            torch.onnx.export(
                network,
                (images,),
                file,
                input_names=["images"],
                output_names=["logits"],
                dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
            onnx.checker.check_model(onnx.load(file))
        except (RuntimeError, onnx.checker.ValidationError) as error:
            raise BadInput(
                f"{trained.record.path}: its network cannot be written as ONNX: {first_line(error)}; "
                f"other formats are {others('onnx')}"
            ) from None
        return file.read_bytes()


class Session:
    """A network of ONNX as onnxruntime computes it: normalised N×3×H×W images → N×classes logits."""

    def __init__(self, content: bytes) -> None:
        self._session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of images."""
        (logits,) = self._session.run(None, {"images": images.numpy().astype(np.float32)})
        return torch.from_numpy(logits)
