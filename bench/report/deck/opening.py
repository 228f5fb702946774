"""Slides 1 to 4: title, task and goals, methods, framework."""

from bench.analysis.health import is_deck
from bench.analysis.recipe import RANKED_TOGETHER
from bench.report.deck.material import Material, deck_models
from bench.report.deck.missing import missing_models, wanted_models
from bench.report.deck.slides import Entry, Grid, Line, Part
from bench.tables import notes
from bench.util.dotted import value_at
from bench.zoo.models import MODELS

GIVEN = {"team": "Team: {}", "presenter": "Presenter: {}", "date": "Date: {}", "school": "School: {}"}
GOALS = (
    "Ten published methods, each on a ResNet backbone or as its authors have it",
    "Compare the deck's 21 variants by accuracy, cost and module",
    "Ablations: what each part changes, with its interval and the seeds that would settle it",
    "An improved design, judged by the same tests",
)
# Method → families of the zoo, and what it does.
METHODS = {
    "ResNet": (("resnet",), "residual blocks: the baselines"),
    "ConvNeXt": (("convnext",), "7×7 depthwise convolutions in inverted bottlenecks"),
    "SegNeXt (MSCA)": (("mscan",), "attention by convolutions of several sizes"),
    "LSKNet": (("lsknet",), "large kernels, chosen at each place"),
    "CoAtNet": (("coatnet",), "convolution first, attention later"),
    "ECA-Net": (("eca_resnet",), "channel attention by one small convolution"),
    "CSPNet": (("cspnet",), "half of the channels go around the blocks"),
    "GhostNet": (("ghost_resnet", "ghostnet"), "cheap maps made from a few real ones"),
    "HorNet": (("hornet",), "recursive gated convolution"),
    "ResNeSt": (("resnest",), "attention over groups of channels"),
    "MLP-Mixer": (("mlp_mixer",), "perceptrons over places and over channels"),
}


def title_page(material: Material) -> list[Part]:
    """Return what the speaker has given, and what not."""
    about = material.about
    parts: list[Part] = [Line(about.subtitle or material.say(SUBTITLE), kind="heading")]
    parts += [Line(material.say(words, getattr(about, key))) for key, words in GIVEN.items() if getattr(about, key)]
    return [*parts, *not_given(material, [key for key in GIVEN if not getattr(about, key)])]


SUBTITLE = "The presentation of 2025, written anew from runs"


def not_given(material: Material, keys: list[str]) -> list[Part]:
    """Return the line that names what the speaker may still give."""
    if not keys:
        return []
    names = ", ".join(material.say(key) for key in keys)
    return [Line(material.say("Not given: {}; in a YAML file:", names), kind="missing", command="--about about.yaml")]


def deck_title(material: Material) -> str:
    """Return the title that was given, else the deck's own."""
    return material.about.title or material.say(TITLE)


TITLE = "Advanced convolutions and attention on a ResNet backbone for CIFAR-100"


def overview(material: Material) -> list[Part]:
    """Return the task, the goals, and what was trained on what."""
    first = material.members[0]
    data, runs = first.first.get("data") or {}, all_runs(material)
    sources = material.from_runs(runs)
    sizes = [data.get(key) for key in ("classes", "train_samples", "eval_samples")]
    task = "Task: {}, {} classes, {} training images and {} evaluated ones"
    networks = {c.fingerprint or c.label for c in material.members}
    parts: list[Part] = [Line(material.say(task, first.recipe_fields["dataset"], *sizes), sources)]
    parts += [Line(material.say(goal)) for goal in GOALS]
    parts.append(Line(material.say("Compared here: {} runs of {} networks", len(runs), len(networks)), sources))
    parts.append(Line(material.say("Hardware: {}", "; ".join(machines(material))), sources))
    if versions := packages(material):
        software = ", ".join(f"{name} {' / '.join(found)}" for name, found in versions.items())
        parts.append(Line(material.say("Software: {}", software), sources))
    return parts


def packages(material: Material) -> dict[str, list[str]]:
    """Return package → the versions of it that trained the runs."""
    found: dict[str, dict[str, None]] = {}
    for record in (record for run_group in material.members for record in run_group.records):
        for name, version in (value_at(record.result or {}, "machine.packages") or {}).items():
            found.setdefault(name, {})[version] = None
    return {name: sorted(versions) for name, versions in found.items()}


def all_runs(material: Material) -> tuple[str, ...]:
    """Return the ids of all runs that are compared."""
    return tuple(run for run_group in material.members for run in run_group.runs)


def machines(material: Material) -> list[str]:
    """Return what trained the runs, without repetition."""
    return list(dict.fromkeys(run_group.recipe_fields["machine"] for run_group in material.members))


def methods(material: Material) -> list[Part]:
    """Return the ten methods with their sources and the models that have runs, and what of the deck's has none."""
    here = {run_group.model: run_group.runs for run_group in material.members}
    rows = []
    for name, (families, idea) in METHODS.items():
        models = {model: row for model, row in MODELS.items() if row.family in families}
        source = next(iter(dict.fromkeys(row.source for row in models.values())))
        trained = [model for model in models if model in here]
        runs = tuple(run for model in trained for run in here[model])
        texts = [Entry(name), Entry(material.say(idea)), Entry(source)]
        rows.append([*texts, Entry(", ".join(trained) or "—", (), material.from_runs(runs))])
    headings = [material.say(words) for words in ("Method", "Idea", "Source", "Models with runs")]
    grid = Grid(material.say("Methods"), headings, [True] * 4, rows, (), ("bench/zoo/models.py",))
    wanted = wanted_models(material)
    have = len(set(wanted) & deck_models(material.members))
    words = "Of the deck's {} variants {} have runs here, all from scratch, steps: {}"
    said = material.say(words, len(wanted), have, steps(material))
    return [grid, Line(said, material.from_runs(all_runs(material))), *missing_models(material, wanted)]


def conditions(material: Material) -> list[Line]:
    """Return what the rows that are compared have in common, and a warning where that is not the deck's recipe."""
    heading = material.say(notes.block_heading([material.common[name] for name in RANKED_TOGETHER]))
    lines = [Line(heading, material.from_runs(all_runs(material)), "small")]
    if not any(is_deck(run_group.spec) for run_group in material.members):
        words = "These runs are not of the deck's recipe: their accuracies are not comparable with its own."
        lines.append(Line(material.say(words), kind="missing"))
    return lines


def steps(material: Material) -> str:
    """Return how long the runs trained, each length once."""
    return ", ".join(dict.fromkeys(run_group.recipe_fields["steps"] for run_group in material.members))


def framework(material: Material) -> list[Part]:
    """Return how runs are declared, trained and compared."""
    sources = material.from_runs(all_runs(material))
    parts: list[Part] = [
        Line(
            material.say("A registry of {} models; a run is declared in one YAML file", len(MODELS)),
            ("bench/zoo/models.py",),
        ),
        *conditions(material),
        Line(material.say(notes.recipe_line(material.common, RANKED_TOGETHER)), sources),
    ]
    return [*parts, *(Line(material.say(words)) for words in FRAMEWORK)]


FRAMEWORK = (
    "Composer trains on any number of processes (DDP); the global batch is declared and stays the same",
    "Precision follows the hardware and stands in the record",
    "Accuracy is that of the last epoch; every image of the evaluation split counts once",
    "Means with 95 % t-intervals over seeds; differences tested, p after Holm; gaps are shown as gaps",
)
