"""Checkpoints as files: there whole or not at all, verified before use, never able to run code.

A checkpoint is an ordinary torch file of tensors and plain containers, whose last line is the SHA-256 of all before it.
Beside it lies `<name>.sha256`, which `sha256sum -c` reads. Both are written under a temporary name, flushed to the disk
and renamed, the checksum first: a kill leaves at most a checksum without a checkpoint. `weights_only` loading unpickles
no class of any library, and what it returns is checked once more to be plain.

    ep000002-ba0000000780.pt, ep000002-ba0000000780.pt.sha256      two epochs and 780 batches are done
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.util.errors import BadInput
from bench.util.files import sync_folder, write_atomically

FORMAT = 1
PATTERN, SUM, REFUSED = "ep*-ba*.pt", ".sha256", ".refused"
MARK = b"\nsha256 "
FOOTER = len(MARK) + 64 + 1
ZIP = b"PK\x03\x04"
DEEPEST = 50
Content = dict[str, Any]


class Damaged(Exception):
    """Say why a file is no checkpoint that this run can go on from."""


@dataclass(frozen=True)
class Found:
    """The checkpoint to go on from, if any, and the newer ones that were refused, each with the reason."""

    path: Path | None = None
    content: Content = field(default_factory=dict)
    refused: tuple[tuple[Path, str], ...] = ()


def sha256(data: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def file_name(epoch: int, batch: int) -> str:
    """Return the name of the checkpoint after so many epochs and batches; names sort as the run goes."""
    return f"ep{epoch:06d}-ba{batch:010d}.pt"


def to_plain(value: Any, where: str = "state") -> Any:
    """Return nested tensors and plain containers as exactly those: no subclass, no view of a larger storage, no GPU.

    Raises TypeError naming the place of anything else.
    """
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Tensor):
        return plain_tensor(value)
    if isinstance(value, Mapping):
        return {to_plain(key, where): to_plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    raise TypeError(f"{where} is a {type(value).__name__}: a checkpoint holds tensors and plain containers only")


def plain_tensor(value: Tensor) -> Tensor:
    """Return a tensor's values on the CPU, in its memory format; a part of a larger storage is copied out."""
    tensor = value.detach().cpu()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()


def is_plain(value: Any) -> bool:
    """Tell whether a loaded value is a tree of tensors and plain containers alone, and not too deep.

    As in what `to_plain` returns, no container is in two places: a few that hold each other unfold without end.
    """
    seen: set[int] = set()
    level = [value]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict | list | tuple):
                if id(item) in seen:
                    return False
                seen.add(id(item))
                below += [*item, *item.values()] if isinstance(item, dict) else item
            elif item is not None and type(item) not in (bool, int, float, str, Tensor):
                return False
        level = below
    return not level


def encode(content: Content) -> tuple[bytes, str]:
    """Return a checkpoint's bytes and their SHA-256 in hexadecimal digits."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **to_plain(content)}, buffer)
    digest = hashlib.sha256(buffer.getbuffer())
    footer = MARK + digest.hexdigest().encode() + b"\n"
    buffer.write(footer)
    digest.update(footer)
    return buffer.getvalue(), digest.hexdigest()


def decode(data: bytes) -> Content:
    """Return the content of a checkpoint's bytes; raise Damaged unless every bit is as it was written."""
    body, footer = data[:-FOOTER], data[-FOOTER:]
    if footer != MARK + sha256(body).encode() + b"\n":
        raise Damaged("it is truncated, corrupted, or not a checkpoint of this suite")
    if not body.startswith(ZIP):
        raise Damaged("it is not a torch file")
    try:
        content = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
        plain = isinstance(content, dict) and is_plain(content) and content.get("format") == FORMAT
    except Exception as error:  # whatever a hostile file sets off in the restricted unpickler
        raise Damaged(f"it cannot be loaded as tensors and plain containers ({type(error).__name__})") from None
    if not plain:
        raise Damaged(f"it is not a checkpoint of format {FORMAT}")
    return content


def write_checkpoint(folder: Path, name: str, content: Content) -> Path:
    """Write a checkpoint and its checksum so that it is there whole or not at all, and return its path.

    Raises OSError when the disk refuses; what was there before is untouched then.
    """
    data, digest = encode(content)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)
    path = folder / name
    write_atomically(path.with_name(name + SUM), f"{digest}  {name}\n".encode())
    write_atomically(path, data)
    return path


def read_checkpoint(path: Path) -> Content:
    """Return a checkpoint's content; raise Damaged unless it and the checksum beside it agree.

    Raises OSError when the disk or a right refuses it: a good checkpoint may be read again when that is over.
    """
    try:
        expected = path.with_name(path.name + SUM).read_text(encoding="ascii", errors="replace").split()
    except (FileNotFoundError, IsADirectoryError):
        raise Damaged("its checksum file is missing") from None
    try:
        data = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Damaged(f"it cannot be read: {error.strerror or error}") from None
    if expected[:1] != [sha256(data)]:
        raise Damaged("it does not match its checksum")
    return decode(data)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the paths of what is named like a checkpoint, newest first."""
    return sorted(folder.glob(PATTERN), key=lambda path: path.name, reverse=True)


def newest_valid(folder: Path, check: Callable[[Content], None]) -> Found:
    """Return the newest checkpoint that is whole and passes `check`, which raises Damaged for one that does not.

    Raises what concerns every checkpoint: BadInput of `check`, and OSError of the disk.
    """
    refused: list[tuple[Path, str]] = []
    for path in list_checkpoints(folder):
        try:
            content = read_checkpoint(path)
            check(content)
        except Damaged as reason:
            refused.append((path, str(reason)))
        except (BadInput, OSError):
            raise
        except Exception as error:  # whatever a forged content sets off in `check`
            refused.append((path, f"its content is unusable ({type(error).__name__})"))
        else:
            return Found(path, content, tuple(refused))
    return Found(refused=tuple(refused))


def quarantine(path: Path) -> None:
    """Rename a refused checkpoint, so that it is neither counted among the newest nor tried again."""
    path.replace(path.with_name(path.name + REFUSED))
    path.with_name(path.name + SUM).unlink(missing_ok=True)


def prune(folder: Path, keep: int) -> None:
    """Delete all but the newest checkpoints, each before its checksum; a deletion that fails is left for later."""
    for path in list_checkpoints(folder)[keep:]:
        try:
            path.unlink(missing_ok=True)
            path.with_name(path.name + SUM).unlink(missing_ok=True)
        except OSError:
            return


def sweep(folder: Path) -> None:
    """Delete what a killed writer left: temporary files, and checksums without a checkpoint. Hold the run's lock."""
    for path in [*folder.glob(".*.tmp"), *folder.glob(f"{PATTERN}{SUM}")]:
        if path.suffix == ".tmp" or not path.with_name(path.name.removesuffix(SUM)).exists():
            path.unlink(missing_ok=True)
