"""What recipes are compared by: every key of a recipe's identity, in the fields and the words that tables show.

The keys come from the schema (`bench.spec`), so that none can be forgotten: a key without words of its own is shown as
"key value" in the field of its section where it has not its default, and a new section is a field of its own.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from algorithms.registry import ALGORITHMS
from bench.analysis.identity import Schema, recorded_identity, schema_defaults
from bench.spec import NOT_IDENTITY, RunSpec
from bench.zoo.models import MODELS, TIMM_PREFIX

Spec = Mapping[str, Any]
# Key of the spec → the field that shows it, and all below it that is not named here; in the order of the tables.
FIELD_OF = {
    "data": "dataset",
    "data.split": "split",
    "max_duration": "steps",
    "batch_size": "batch",
    "augmentation": "augmentation",
    "optimizer": "optimizer",
    "optimizer.lr": "lr",
    "optimizer.weight_decay": "weight decay",
    "optimizer.decay": "weight decay",
    "schedule": "schedule",
    "algorithms": "algorithms",
    "precision": "precision",
    "compile": "precision",
    "model": "model",
    "model.stem": "stem",
    "model.weights": "weights",
}
# Whether the training started from scratch or from trained weights.
START, TRAINED = "start", "from trained weights"
# Which weights a teacher has beside its network: told by their digest.
TEACHER = "teacher"
# What trained a run group stands in no spec (`bench.analysis.run_groups`).
MACHINE = "machine"
# Fields of the network and of the machine: they do not make another recipe.
NOT_RECIPE = ("model", "stem", MACHINE)
# Rows that differ in one of these are not ranked against each other.
RANKED_TOGETHER = ("dataset", "split", "steps", "batch", "augmentation", START)
# Fields that are mentioned only where they say something.
UNMENTIONED = ("weights", START, TEACHER)
# What such a field says where it has to be named.
WITHOUT = {"weights": "from scratch", START: "from scratch", TEACHER: "no teacher"}
# What parts the words of a field's keys, where it is not a space.
SEPARATORS = {"augmentation": " + ", "schedule": ", ", "precision": ", "}
# The texts of a field that has nothing to say, and of one without words here whose keys have their defaults.
NOTHING, DEFAULT = "none", "default"


def number_text(value: Any) -> str:
    """Return a value as text; a number is short where that is exact, so that different ones look different."""
    if isinstance(value, bool) or not isinstance(value, float | int):
        return str(value)
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as "key=value" words in the order of their names; trained weights by whose they are."""
    words = {key: value.get("network") if isinstance(value, Mapping) else value for key, value in settings.items()}
    return " ".join(f"{key}={value}" for key, value in sorted(words.items()))


DECAYED = {"all": "", "weights": "(norms and biases spared)", "linear": "(of linear layers alone)"}
# Key of the spec → words for its value, empty where there is nothing to say.
WORDS: dict[str, Callable[[Any], str]] = {
    "data.name": str,
    "data.split": str,
    "max_duration": str,
    "batch_size": str,
    "augmentation.crop_padding": lambda value: f"crop {value}" if value else "",
    "augmentation.flip": lambda value: f"{value} flip" if isinstance(value, str) else "flip" if value else "",
    "augmentation.policy": lambda value: "" if value == "none" else str(value),
    "augmentation.erasing": lambda value: f"erasing {number_text(value)}" if value else "",
    "optimizer.name": str,
    "optimizer.momentum": lambda value: f"momentum {number_text(value)}",
    "optimizer.nesterov": lambda value: "nesterov" if value else "",
    "optimizer.beta1": lambda value: f"betas {number_text(value)}",
    "optimizer.beta2": number_text,
    "optimizer.lr": number_text,
    "optimizer.weight_decay": number_text,
    "optimizer.decay": lambda value: DECAYED[value],
    "schedule.name": str,
    "schedule.warmup": lambda value: f"warm-up {value}",
    "schedule.final": lambda value: f"final {number_text(value)}" if value else "",
    "schedule.cooldown": lambda value: f"cool-down {value}",
    "schedule.milestones": lambda value: f"at {' '.join(map(str, value))}",
    "schedule.gamma": lambda value: f"× {number_text(value)}",
    "algorithms": lambda value: ", ".join(algorithm_texts(value).values()),
    "precision": str,
    "compile": lambda value: "compiled" if value else "",
    "model.name": str,
    "model.stem": str,
    "model.options": settings_text,
    "model.weights": lambda value: f"{value['network']} {value['sha256'][:8]}".strip(),
}


def field_of(key: str) -> str:
    """Return the field that shows a dotted key: its own, else that of the section around it."""
    section = key
    while section not in FIELD_OF and "." in section:
        section = section.rpartition(".")[0]
    return FIELD_OF.get(section, section.replace("_", " "))


def field_names(schema: Schema = RunSpec) -> tuple[str, ...]:
    """Return the fields of a schema in the order of the tables: those of the recipe before those of the network."""
    sections = (key for key in schema.model_fields if key not in NOT_IDENTITY)
    names = dict.fromkeys([*FIELD_OF.values(), *UNMENTIONED, *map(field_of, sections)])
    return tuple(sorted(names, key=lambda name: name in NOT_RECIPE))


RECIPE_FIELDS = (*field_names(), MACHINE)


def declared_fields(spec: Spec, schema: Schema = RunSpec) -> dict[str, str]:
    """Return what a recorded spec declares, field by field, as text; another identity gives another text somewhere."""
    defaults = dict(leaves(schema_defaults(spec, schema)))
    words: dict[str, list[str]] = defaultdict(list)
    identity = recorded_identity({**spec, "max_duration": duration_text(spec)}, schema)
    for key, value in leaves(usual_left_out(identity)):
        usual = key in defaults and defaults[key] == value
        words[field_of(key)].append(key_words(key, value, usual))
    words[TEACHER].append(teacher_digest(identity))
    words[START].append(TRAINED if "weights" in identity["model"] else "")
    return {name: field_text(name, words[name]) for name in field_names(schema)}


def teacher_digest(identity: Spec) -> str:
    """Return the first digits of the digest of a teacher's weights, empty where a recipe has no teacher."""
    settings = (identity.get("algorithms") or {}).get("distillation") or {}
    return str((settings.get("teacher") or {}).get("sha256") or "")[:8]


def budget_text(spec: Spec) -> str | None:
    """Return that steps are as many as a budget of training compute allows each network, None without such a budget."""
    budget = str(spec.get("budget") or "")
    return f"as {budget} allows" if budget.endswith("FLOP") else None


def duration_text(spec: Spec) -> str:
    """Return how long a spec declares that a run lasts."""
    return budget_text(spec) or str(spec.get("budget") or spec.get("max_duration"))


def key_words(key: str, value: Any, usual: bool) -> str:
    """Return the words for a key's value: its own, else "key value" where that is not the default."""
    if key in WORDS:
        return WORDS[key](value)
    below = key.partition(".")[2]
    return "" if usual else f"{below} {number_text(value)}".strip()


def field_text(name: str, words: list[str]) -> str:
    """Return the text of a field from the words for its keys."""
    empty = NOTHING if name in FIELD_OF.values() and name not in UNMENTIONED else DEFAULT
    return SEPARATORS.get(name, " ").join(word for word in words if word) or empty


def field_words(name: str, value: str) -> str:
    """Return the words that name a field's text outside of a table's column of that field."""
    return WITHOUT.get(name, f"{name} {value}") if value == DEFAULT else f"{name} {value}"


def leaves(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of nested content with their values; what has words as a whole is not taken apart."""
    for key, value in content.items():
        dotted = f"{above}{key}"
        if isinstance(value, Mapping) and dotted not in WORDS:
            yield from leaves(value, f"{dotted}.")
        else:
            yield dotted, value


def usual_left_out(identity: Spec) -> dict[str, Any]:
    """Return an identity whose model says only what is not usual in the zoo, with the stem that it has in effect."""
    model = {**identity["model"], "stem": stem_of(identity), "options": unusual_options(identity)}
    return {**identity, "model": model}


def option_values(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's builder options: those of the zoo's row, and over them those of the spec."""
    row = MODELS.get(name)
    return {**(row.options if row else {}), **options}


def unusual_options(spec: Spec) -> dict[str, Any]:
    """Return the model's options that differ from the zoo's row, apart from the stem."""
    usual = option_values(spec["model"]["name"], {})
    options = spec["model"].get("options") or {}
    return {key: value for key, value in options.items() if usual.get(key) != value and key != "stem"}


def default_stem(name: str) -> str:
    """Return the stem a model has when none is named: timm's are made for ImageNet, the others for their 32 pixels."""
    row = MODELS.get(name)
    timm = name.startswith(TIMM_PREFIX) or (row is not None and str(row.builder).startswith("timm_models:"))
    return "imagenet" if timm else "native"


def stem_of(spec: Spec) -> str:
    """Return the stem of a spec: the one it names, else the model's own."""
    model = spec["model"]
    return str(model.get("stem") or (model.get("options") or {}).get("stem") or default_stem(model["name"]))


def algorithm_texts(algorithms: Mapping[str, Mapping[str, Any]] | None) -> dict[str, str]:
    """Return each algorithm in words, with all of its settings: those that a record lacks have their defaults."""
    return {
        name: f"{name} {settings_text(complete_settings(name, settings))}".strip()
        for name, settings in sorted((algorithms or {}).items())
    }


def complete_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return an algorithm's settings over its defaults."""
    known = ALGORITHMS[name].settings if name in ALGORITHMS else {}
    return {**{key: default for key, (_, default) in known.items()}, **settings}
