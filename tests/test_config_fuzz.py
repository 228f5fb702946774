"""Whatever a YAML or an override holds: a valid spec, or exit code 2 and a message; never a traceback, never code."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from algorithms.registry import ALGORITHMS
from bench.config import YAMLS, load_arms, load_spec
from bench.records import read_spec, run_directory
from bench.spec import RunSpec, run_name
from bench.util.cli import BAD_INPUT, OK, run_command
from bench.util.errors import BadInput
from bench.util.yaml_safety import check_aliases, unfolded_size
from bench.zoo.models import MODELS

RESNET = YAMLS / "resnet_20.yaml"
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
SECTIONS = {name: list(getattr(field.annotation, "model_fields", {})) for name, field in RunSpec.model_fields.items()}
OPTIMIZER = ["name", "lr", "momentum", "nesterov", "weight_decay", "beta1", "eps", "decay", "rest", "steps"]
KEYS = [*RunSpec.model_fields, "base", "arms"]
INNER = sorted({key for keys in SECTIONS.values() for key in keys} | {*OPTIMIZER, *ALGORITHMS})
WORDS = [*list(MODELS)[:5], "sgd", "adamw", "cosine", "1ep", "0ba", "test", "cifar100", "timm/resnet18", "null", "???"]
TAGS = [
    "!!python/object/apply:os.system [{}]",
    "!!python/object/new:os.system [{}]",
    "!!python/object/apply:subprocess.getoutput [{}]",
    "!!python/object/apply:builtins.exec [{}]",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/tuple [1]",
    "!!binary aGk=",
    "!!set {{a}}",
    "!!timestamp 2001-12-14",
]

# Standard tags around what they cannot mean, and names that no file can have.
MALFORMED = [f"!!{tag} {text}" for tag in ("bool", "int", "float", "timestamp") for text in ("x", "''", "'-'", "[1]")]
LONG = "n" * 300

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.sampled_from(WORDS), st.dates()
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(INNER), st.text(max_size=6)), inner, max_size=4),
    ),
    max_leaves=8,
)
documents = st.dictionaries(
    st.one_of(st.sampled_from(KEYS), st.text(max_size=8), st.integers(), st.booleans()), values, max_size=6
)
paths = st.lists(st.one_of(st.sampled_from(KEYS), st.sampled_from(INNER), st.text(max_size=5)), min_size=1, max_size=3)


def outcome(path: Path, overrides: list[str], arm: str | None = None) -> int:
    """Return the exit code of reading a spec as a command does; a spec that is read names a run within its folder."""

    def read(_: Any) -> int:
        spec = load_spec(path, overrides, arm)
        assert "/" not in run_name(spec)
        assert run_directory(spec).name == run_name(spec)
        load_arms(path, overrides)
        return OK

    return run_command(read, [])


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "run.yaml"
    path.write_bytes(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
    return path


@FUZZ
@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff\xfe\x00")
@example(b"%YAML 9.9\n---\na: 1\n--- \nb: 2")
@example(b"? [a, b]\n: 1")
@example(b"a: *b")
@example(b"<<: 3")
@example(b"<<: [{seed: 1}]\nseed: 2")
@example(b"seed: 0x_\nbatch_size: 1_000")
@example(b"batch_size: 0b_")
@example(b"seed: 190:20:30")
@example(b"seed: .inf\nbatch_size: .nan")
@example(b"seed: 99999999999999999999999999")
@example(b"max_duration: 2001-99-99")
@example(b"[" * 3000)
@example(b"{a: " * 3000)
@example(b"a: &a [*a]")
@example(b"a: &a {b: *a}")
def test_arbitrary_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    assert outcome(write(tmp_path_factory.mktemp("fuzz"), content), []) == BAD_INPUT


@FUZZ
@given(st.text(max_size=200))
def test_arbitrary_text(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    assert outcome(write(tmp_path_factory.mktemp("fuzz"), content), []) == BAD_INPUT


@FUZZ
@given(documents, st.sampled_from([None, "resnet_20.yaml", "ablations/stem.yaml"]), st.text(max_size=4))
def test_arbitrary_documents_of_our_keys(
    tmp_path_factory: pytest.TempPathFactory, document: dict, base: str | None, arm: str
) -> None:
    document |= {"base": base} if base else {}
    path = write(tmp_path_factory.mktemp("fuzz"), yaml.safe_dump(document, allow_unicode=True))
    assert outcome(path, []) in (OK, BAD_INPUT)
    assert outcome(path, [], arm) in (OK, BAD_INPUT)


@FUZZ
@given(st.lists(st.text(max_size=20), max_size=4))
@example(["a.b.c=[1", "=", "a=", ".=1", "a..b=1", "a.=1", ".a=1"])
@example(["a[0]=1"])
@example(["a[=1"])
@example(["seed=1=2"])
@example(["model.name=", "seed="])
@example(["seed=1", "seed.x=2"])
@example(["model=1", "model.name=x"])
@example(["algorithms.mixup={}", "algorithms.mixup.alpha.x=1"])
@example(["base=[1]", "base={}"])
@example(["base=../../../etc/passwd"])
@example(["base=\0"])
@example([f"base={LONG}"])
@example([f"runs=/tmp/{LONG}"])
@example(["runs=~nosuchuser/x"])
@example(['runs="a\\0b"'])
@example(['runs="\\ud800"'])
@example([f"experiment={LONG}"])
def test_arbitrary_overrides(words: list[str]) -> None:
    assert outcome(RESNET, words) in (OK, BAD_INPUT)


@FUZZ
@given(st.lists(st.tuples(paths, st.one_of(values.map(lambda v: yaml.safe_dump(v)), st.text(max_size=15))), max_size=3))
def test_overrides_of_our_keys(pairs: list[tuple[list[str], str]]) -> None:
    assert outcome(RESNET, [f"{'.'.join(path)}={value}" for path, value in pairs]) in (OK, BAD_INPUT)


@FUZZ
@given(st.sampled_from(TAGS), st.sampled_from([*KEYS, "model.name", "algorithms.mixup", "optimizer.lr"]), st.booleans())
def test_tags_of_python_are_refused_and_run_nothing(
    tmp_path_factory: pytest.TempPathFactory, tag: str, key: str, in_override: bool
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    canary = folder / "canary"
    payload = tag.format(f"touch {canary}")
    first, *rest = key.split(".")
    document = f"{first}: {{{rest[0]}: {payload}}}" if rest else f"{key}: {payload}"
    path = RESNET if in_override else write(folder, f"{document}\n")
    assert outcome(path, [f"{key}={payload}"] if in_override else []) == BAD_INPUT
    assert not canary.exists()


@pytest.mark.parametrize("payload", MALFORMED)
@pytest.mark.parametrize("key", ["seed", "model", "base"])
def test_malformed_standard_tags_are_refused(payload: str, key: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"{key}: {payload}\n")
    assert outcome(path, []) == BAD_INPUT
    assert outcome(RESNET, [f"{key}={payload}"]) == BAD_INPUT
    with pytest.raises(BadInput, match=r"run\.yaml"):
        read_spec(path)


def test_names_that_are_too_long_for_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="key 'base': there is no file"):
        load_spec(write(tmp_path, f"base: {LONG}\n"))
    with pytest.raises(BadInput, match="there is no such file"):
        load_spec(tmp_path / LONG / LONG)


@pytest.mark.parametrize("runs", ["~nosuchuser/x", "a\0b", "\ud800"])
def test_runs_that_can_be_no_folder_are_named(runs: str) -> None:
    spec = load_spec(RESNET).model_copy(update={"runs": runs})
    with pytest.raises(BadInput, match="key 'runs': "):
        run_directory(spec)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)
)


@pytest.mark.parametrize("document", [LAUGHS, "a: &a [*a]", "a: &a {b: *a}", "a: &a {<<: *a}"])
def test_what_unfolds_without_end_is_refused_in_moments(document: str) -> None:
    with pytest.raises(BadInput, match="unfold to more than 100,000 values"):
        check_aliases(document, "run.yaml")


@pytest.mark.parametrize("document", [LAUGHS, "a: &a [*a]", "a: &a {b: *a}"])
def test_what_unfolds_without_end_is_refused_as_a_spec_in_moments(document: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"run\.yaml: its aliases .* unfold to more than 100,000 values"):
        load_spec(write(tmp_path, document))
    # The same as the value of an override, in one line.
    value = "[" + ", ".join(f"{line.replace(': ', ', ', 1)}" for line in document.splitlines()) + "]"
    with pytest.raises(BadInput, match=r"override 'model': its aliases .* unfold to more than 100,000 values"):
        load_spec(RESNET, [f"model={value}"])


def test_what_is_written_once_and_used_often_is_allowed() -> None:
    check_aliases("a: &a {lr: 0.1}\nb: *a\nc: {<<: *a, d: [*a, *a]}\n--- \nmore: documents\n", "run.yaml")
    check_aliases("", "run.yaml")


@FUZZ
@given(documents)
def test_the_size_of_a_document_without_aliases_is_its_number_of_values(document: dict) -> None:
    def size(value: Any) -> int:
        inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
        return 1 + sum(map(size, inner))

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    node = yaml.compose(yaml.dump(document, Dumper=Plain), Loader=yaml.SafeLoader)
    assert unfolded_size(node, {}) == size(document)
