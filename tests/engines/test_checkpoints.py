"""Checkpoints as files: written whole, verified, refused when anything is wrong with them, never able to run code."""

import errno
import io
import os
import pickle
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.engines.checkpoints import (
    FOOTER,
    MARK,
    SUM,
    Damaged,
    decode,
    encode,
    file_name,
    list_checkpoints,
    newest_valid,
    prune,
    quarantine,
    read_checkpoint,
    sha256,
    sweep,
    to_plain,
    write_checkpoint,
)
from bench.util.errors import BadInput

Corruption = Callable[[bytes, random.Random, Path], bytes]


def content(batch: int) -> dict[str, Any]:
    torch.manual_seed(batch)
    weights = {"conv": torch.randn(8, 3, 3, 3).to(memory_format=torch.channels_last), "steps": torch.tensor(batch)}
    return {
        "recipe": "0123abcd",
        "batch": batch,
        "model": weights,
        "lr": [0.1, 1e-300],
        "names": {"a": None, "b": True},
    }


def accept(found: dict[str, Any]) -> None:
    if found.get("recipe") != "0123abcd":
        raise Damaged("it belongs to another run")
    len(found["model"])


def pair(folder: Path) -> Path:
    """Return the newer of two checkpoints that are written to a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_checkpoint(folder, file_name(1, 10), content(10))
    return write_checkpoint(folder, file_name(2, 20), content(20))


def reseal(path: Path, data: bytes, *, sidecar: bool, footer: bool) -> None:
    """Write bytes as a checkpoint, with its last line and the checksum beside it made to match if asked."""
    if footer:
        data = data + MARK + sha256(data).encode() + b"\n"
    path.write_bytes(data)
    if sidecar:
        path.with_name(path.name + SUM).write_text(f"{sha256(data)}  {path.name}\n")


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, file_name(1, 10), content(10))
    read = read_checkpoint(path)
    assert torch.equal(read["model"]["conv"], content(10)["model"]["conv"])
    assert read["model"]["conv"].is_contiguous(memory_format=torch.channels_last)
    assert {key: read[key] for key in ("batch", "lr", "names")} == {k: content(10)[k] for k in ("batch", "lr", "names")}


def test_a_checkpoint_is_a_torch_file_with_a_checksum_that_coreutils_agree_with(tmp_path: Path) -> None:
    path = pair(tmp_path)
    assert torch.load(path, weights_only=True)["batch"] == 20
    done = subprocess.run(["sha256sum", "-c", path.name + SUM], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0


def test_names_sort_as_the_run_goes() -> None:
    names = [file_name(0, 9), file_name(0, 10), file_name(0, 780), file_name(1, 780), file_name(10, 7800)]
    assert names == sorted(names)


def test_only_tensors_and_plain_containers_are_written() -> None:
    plain = to_plain(
        {"a": np.float64(0.5), "b": torch.nn.Parameter(torch.ones(2)), "c": (1, "x"), 3: torch.__version__}
    )
    assert type(plain["a"]) is float
    assert type(plain["b"]) is torch.Tensor
    assert plain["c"] == [1, "x"]
    assert type(plain[3]) is str
    with pytest.raises(TypeError, match=r"state\.a\[1\] is a Path|state\.a\[1\] is a PosixPath"):
        to_plain({"a": [1, Path("x")]})


def test_a_part_of_a_large_tensor_is_saved_alone() -> None:
    assert len(encode({"part": torch.zeros(1_000_000)[:10]})[0]) < 5000


class Call:
    """Something that calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


def attack(canary: Path, chance: random.Random) -> Any:
    """Return an object whose unpickling would write the canary."""
    command = f"touch {canary}"
    code = f"open({str(canary)!r}, 'w')"
    calls = (Call(os.system, command), Call(eval, code), Call(exec, code), Call(subprocess.getoutput, command))
    return chance.choice(calls)


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


# What becomes of a checkpoint's bytes.
DAMAGE: dict[str, Corruption] = {
    "cut short": lambda data, chance, _: data[: chance.randrange(1, len(data))],
    "cut by one byte": lambda data, chance, _: data[:-1],
    "empty": lambda data, chance, _: b"",
    "one bit flipped": lambda data, chance, _: flip(data, chance.randrange(len(data)), chance.randrange(8)),
    "one bit of the last line flipped": lambda data, chance, _: flip(data, -chance.randint(1, FOOTER), 0),
    "a run of zeros": lambda data, chance, _: zeros(data, chance.randrange(len(data) - 64)),
    "noise": lambda data, chance, _: chance.randbytes(len(data)),
    "longer": lambda data, chance, _: data + chance.randbytes(chance.randint(1, 4096)),
    "another kind of file": lambda data, chance, _: b"\x89PNG\r\n\x1a\n" + chance.randbytes(500),
    "a torch file of something else": lambda data, chance, _: saved(torch.zeros(3)),
}
# What somebody might put in its place, with every checksum made to match.
FORGED: dict[str, Corruption] = {
    "a pickle that runs a command": lambda data, chance, canary: pickle.dumps(attack(canary, chance)),
    "a torch file that runs a command": lambda data, chance, canary: saved(attack(canary, chance)),
    "a command among the weights": lambda data, chance, canary: saved(
        {**content(20), "format": 1, "model": {"conv": attack(canary, chance)}}
    ),
    "an old torch file that runs a command": lambda data, chance, canary: old_style(attack(canary, chance)),
    "a whole module": lambda data, chance, _: saved({"format": 1, "model": torch.nn.Linear(2, 2)}),
    "an array of another library": lambda data, chance, _: saved({"format": 1, "a": np.zeros(3)}),
    "another run's checkpoint": lambda data, chance, _: saved({**content(20), "format": 1, "recipe": "other"}),
    "another format": lambda data, chance, _: saved({**content(20), "format": 2}),
    "a list": lambda data, chance, _: saved([1, 2]),
    "a list that holds itself": lambda data, chance, _: saved({**content(20), "format": 1, "a": endless()}),
    "lists in lists": lambda data, chance, _: saved({**content(20), "format": 1, "a": nested(450, 1)}),
    "few lists that unfold to many": lambda data, chance, _: saved({**content(20), "format": 1, "a": nested(40, 2)}),
    "a recipe that unfolds to many": lambda data, chance, _: saved({"format": 1, "recipe": nested(40, 2)}),
    "a tensor as format": lambda data, chance, _: saved({**content(20), "format": torch.ones(2)}),
    "no weights": lambda data, chance, _: saved({**content(20), "format": 1, "model": 3}),
    "an empty zip": lambda data, chance, _: b"PK\x05\x06" + bytes(18),
}
CASES = [(name, seed) for seed in range(6) for name in DAMAGE] + [(name, seed) for seed in range(14) for name in FORGED]


def endless() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


def nested(depth: int, width: int) -> list[Any]:
    """Return lists in lists, each of which holds the one below it so many times."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value] * width
    return value


def flip(data: bytes, offset: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[offset] ^= 1 << bit
    return bytes(changed)


def zeros(data: bytes, offset: int) -> bytes:
    length = next(n for n in range(64, len(data)) if any(data[offset : offset + n]) or offset + n >= len(data))
    return data[:offset] + bytes(length) + data[offset + length :] if any(data[offset:]) else data[:-1]


def old_style(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.parametrize("matching", ["without", "with"])
@pytest.mark.parametrize(("name", "seed"), CASES, ids=[f"{name}-{seed}" for name, seed in CASES])
def test_a_damaged_or_hostile_checkpoint_is_passed_over(name: str, seed: int, matching: str, tmp_path: Path) -> None:
    """The newest is spoilt, with and without a matching checksum: the one before it is used, no code runs."""
    newest, canary, chance = pair(tmp_path / "checkpoints"), tmp_path / "canary", random.Random(f"{name} {seed}")
    spoil = (DAMAGE | FORGED)[name]
    data = spoil(newest.read_bytes(), chance, canary)
    assert data != newest.read_bytes()
    reseal(newest, data, sidecar=matching == "with", footer=matching == "with" and name in FORGED)
    found = newest_valid(newest.parent, accept)
    assert found.path is not None
    assert found.path.name == file_name(1, 10)
    assert found.content["batch"] == 10
    assert [path for path, _ in found.refused] == [newest]
    assert not canary.exists()


def test_the_attacks_would_work_on_an_unsafe_loader(tmp_path: Path) -> None:
    """What the hostile cases hold is live: Python's own unpickler runs each of them."""
    for seed in range(8):
        canary = tmp_path / str(seed)
        pickle.loads(pickle.dumps(attack(canary, random.Random(seed))))
        assert canary.exists()


def test_every_single_bit_counts() -> None:
    data, _ = encode({"weights": torch.arange(4.0)})
    for offset in range(len(data)):
        with pytest.raises(Damaged):
            decode(flip(data, offset, offset % 8))


def test_a_checkpoint_without_its_checksum_is_refused(tmp_path: Path) -> None:
    newest = pair(tmp_path)
    newest.with_name(newest.name + SUM).unlink()
    found = newest_valid(tmp_path, accept)
    assert found.path == tmp_path / file_name(1, 10)
    assert "missing" in found.refused[0][1]


def test_no_valid_checkpoint_at_all(tmp_path: Path) -> None:
    newest = pair(tmp_path)
    for path in list_checkpoints(tmp_path):
        path.write_bytes(b"x")
    found = newest_valid(tmp_path, accept)
    assert (found.path, found.content) == (None, {})
    assert [path for path, _ in found.refused] == [newest, tmp_path / file_name(1, 10)]
    assert newest_valid(tmp_path / "none", accept).path is None


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("suffix", [".pt", SUM])
def test_a_disk_that_fails_for_a_while_costs_no_checkpoint(
    suffix: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest, real = pair(tmp_path), Path.open

    def refuse(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.suffix == suffix:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(OSError, match=re.escape(os.strerror(code))):
            newest_valid(tmp_path, accept)
    assert newest_valid(tmp_path, accept).path == newest


def test_a_folder_in_place_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    newest = pair(tmp_path)
    newest.unlink()
    newest.mkdir()
    assert newest_valid(tmp_path, accept).path == tmp_path / file_name(1, 10)


def test_what_concerns_every_checkpoint_is_not_taken_for_damage(tmp_path: Path) -> None:
    pair(tmp_path)

    def refuse(found: dict[str, Any]) -> None:
        raise BadInput("saved by 8 processes")

    with pytest.raises(BadInput, match="8 processes"):
        newest_valid(tmp_path, refuse)


def attempt(folder: Path) -> OSError | None:
    """Write a third checkpoint and return why that failed."""
    try:
        write_checkpoint(folder, file_name(3, 30), content(30))
    except OSError as error:
        return error
    return None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("name", ["fsync", "replace", "open"])
def test_a_write_that_fails_anywhere_leaves_the_checkpoints_that_were(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk refuses the n-th call, for every n: no half file is taken for a checkpoint, no temporary one stays."""
    real = getattr(os, name)
    for fail_at in range(20):
        folder = tmp_path / str(fail_at)
        pair(folder)
        calls = iter(range(100))

        def refuse(*arguments: Any, calls: Any = calls, fail_at: int = fail_at, **named: Any) -> Any:
            if next(calls) == fail_at:
                raise OSError(code, os.strerror(code))
            return real(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(os, name, refuse)
            refused = attempt(folder)
        if refused is None:
            assert fail_at > 0
            return
        assert refused.errno == code
        found = newest_valid(folder, accept)
        assert found.content["batch"] in (20, 30)
        assert not found.refused
        assert not list(folder.glob(".*.tmp"))
    pytest.fail(f"os.{name} is called without end")


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for epoch in range(1, 6):
        write_checkpoint(tmp_path, file_name(epoch, 10 * epoch), content(epoch))
    prune(tmp_path, 2)
    assert [p.name for p in list_checkpoints(tmp_path)] == [file_name(5, 50), file_name(4, 40)]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_refused_checkpoint_is_set_aside_and_not_counted(tmp_path: Path) -> None:
    newest = pair(tmp_path)
    quarantine(newest)
    assert [p.name for p in list_checkpoints(tmp_path)] == [file_name(1, 10)]
    assert newest.with_name(newest.name + ".refused").is_file()
    prune(tmp_path, 1)
    assert list_checkpoints(tmp_path) == [tmp_path / file_name(1, 10)]


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    newest = pair(tmp_path)
    (tmp_path / f".{file_name(3, 30)}.77.tmp").write_bytes(b"half")
    (tmp_path / (file_name(3, 30) + SUM)).write_text("0  x\n")
    sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        name for epoch in (1, 2) for name in (file_name(epoch, 10 * epoch), file_name(epoch, 10 * epoch) + SUM)
    )
    assert newest_valid(tmp_path, accept).path == newest
