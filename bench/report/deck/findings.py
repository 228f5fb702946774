"""Slides 8 to 12: ablations, findings, the improved design, thanks, what comes next."""

import json

from bench.analysis.cells import Block, Table
from bench.report.deck.claims import claims_about, key_findings, verdict_lines
from bench.report.deck.grids import OF_AN_ARM, grid_of, label_of
from bench.report.deck.material import Material
from bench.report.deck.missing import absent_arms, missing_arms, missing_models
from bench.report.deck.opening import not_given
from bench.report.deck.results import METHOD, verdicts_against
from bench.report.deck.slides import Entry, Grid, Line, Part
from bench.report.overview import is_base, row_name, verdict_words
from bench.tables.ablation_rows import NOTHING_COMPARED
from bench.tables.components import FACTS
from bench.tables.contrasts import NOISE, compared
from bench.zoo.models import MODELS

ARMS = ("arm", "top1", "n", "delta", "p_holm", "verdict", "params_m", "train_h")
BASE, IMPROVED = "resnet_20", "improved_resnet20_convnext"
# What a model stands for, beside the base.
PAIRS = {
    "eca_resnet_20": "Channel attention (ECA)",
    "ghost_resnet_20": "Ghost modules",
    IMPROVED: "The improved design",
    "resnet_56": "Capacity: a deeper ResNet",
    "convnext_tiny": "Capacity: a large network",
    "segnext_mscan_tiny": "Attention of several sizes (MSCA)",
    "mlp_mixer_tiny": "No convolution at all",
}
PARTS = ("bottleneck", "kernels", "regularisation", "normalisation", "activation", "stem")
OPTIMISED = ("coatnet_cifar_opt", "coatnet_cifar_opt_large_stem")


def ablations(material: Material) -> list[Part]:
    """Return the ablations of ECA's kernel and of the improved design."""
    return [*ablation(material, "eca_kernel"), *ablation(material, IMPROVED)]


def ablation(material: Material, name: str) -> list[Part]:
    """Return an ablation's table, the verdict on each arm, the arms without a run, and what of the deck holds."""
    table, block = material.ablation(name)
    claims = f"ablation_{name}"
    checked = claims_about(material, claims, tuple(OF_AN_ARM.values()))
    rows = [] if block is None else [row for row in block.rows if "n" in row.cells]
    parts: list[Part] = []
    if block is None:
        parts.append(Line(material.say(table.title), kind="heading"))
        parts.append(Line(material.say(NOTHING_COMPARED), kind="missing"))
    else:
        runs = tuple(dict.fromkeys(run for row in rows for run in row.cells["n"].runs))
        heading = material.say(block.heading) if block.heading else ""
        parts += [Line(heading, material.from_runs(runs), "small")] if heading else []
        absent = {label: label_of(network) for label, network in absent_arms(material, table, rows).values()}
        parts.append(grid_of(material, table, ARMS, rows=rows, claims=claims, absent=absent))
        parts += [*arm_lines(material, block), *([Line(material.say(block.test), kind="small")] if block.test else [])]
        parts += other_blocks(material, table)
    parts += missing_arms(material, table, rows)
    return [*parts, *(verdict_lines(material, checked) if checked else [])]


def arm_lines(material: Material, block: Block) -> list[Line]:
    """Return the verdict on each arm of a block against its base."""
    base = " / ".join(dict.fromkeys(row_name(material.contents, row) for row in block.rows if is_base(row)))
    return [
        Line(
            verdict_words(material.contents, row_name(material.contents, row), base, dict(row.cells)),
            material.from_runs(row.cells["delta"].runs),
        )
        for row in block.rows
        if compared(row)
    ]


def other_blocks(material: Material, table: Table) -> list[Line]:
    """Return the line that says where the runs under other conditions are."""
    others = sum(block.heading != NOISE for block in table.blocks) - 1
    if others < 1:
        return []
    command = material.from_command(f"bench.tables {table.name}")
    return [Line(material.say("Blocks of runs under other conditions: {}", others), (command,), "small", command)]


def insights(material: Material) -> list[Part]:
    """Return what pairs of models show, which pairs have no runs, and what the audit found in the deck."""
    said = pair_lines(material)
    lines: list[Part] = [Line(material.say("What our runs show"), kind="heading")]
    lines += [
        Line(f"{material.say(PAIRS[model])}{material.say(': ')}{line.words}", line.sources)
        for model, line in said.items()
    ]
    lines += [Line(material.say(METHOD, BASE), kind="small")] if said else []
    lines += missing_models(material, [BASE, *PAIRS])
    return [*lines, Line(material.say("What the audit found in the deck"), kind="heading"), *key_findings(material)]


def pair_lines(material: Material) -> dict[str, Line]:
    """Return the verdict on each of the models above that has runs against the base, all adjusted together."""
    base = material.find(BASE)
    arms = {model: arm for model in PAIRS if (arm := material.find(model)) is not None}
    if base is None:
        return {}
    return dict(zip(arms, verdicts_against(material, base, list(arms.values())), strict=True))


def design(material: Material) -> list[Part]:
    """Return what the improved design is made of and does, and the other designs of the deck's own."""
    facts = json.loads(FACTS.read_text(encoding="utf-8"))[IMPROVED]
    source = ("python -m bench.zoo.components, bench/zoo/components.json",)
    parts: list[Part] = [Line(IMPROVED, kind="heading")]
    parts += [Line(f"{material.say(part)}{material.say(': ')}{facts[part]}", source) for part in PARTS]
    parts += [line for model, line in pair_lines(material).items() if model == IMPROVED]
    for model in OPTIMISED:
        parts.append(Line(f"{model}{material.say(': ')}{MODELS[model].note}", ("bench/zoo/models.py",)))
    parts += missing_models(material, (BASE, IMPROVED, *OPTIMISED))
    checked = claims_about(material, "comparison", ("own_design",))
    return [*parts, *verdict_lines(material, checked), *(Line(material.say(words)) for words in ENGINEERING)]


ENGINEERING = (
    "Engineering: YAML declares a run, records keep it, tables and this deck are made of records alone",
    "A resumed run equals an uninterrupted one; augmentation is equal to torchvision's bit by bit",
)


def thanks(material: Material) -> list[Part]:
    """Return who did what, as the speaker has given it."""
    about = material.about
    if not about.thanks:
        return not_given(material, ["thanks"])
    headings = [material.say("Who"), material.say("What")]
    rows = [[Entry(name), Entry(work)] for name, work in about.thanks.items()]
    return [Grid(material.say("Thanks"), headings, [True, True], rows)]


def outlook(material: Material) -> list[Part]:
    """Return what the deck wishes for."""
    return [Line(material.say(words)) for words in OUTLOOK]


OUTLOOK = (
    "Tuning of AutoAugment and MixUp",
    "Vision Transformers and knowledge distillation",
    "ImageNet-1K",
    "Transfer to other tasks",
    "Interpretability (Grad-CAM)",
    "Robustness and adversarial attacks",
)
