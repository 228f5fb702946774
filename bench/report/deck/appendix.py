"""The appendix for questions: more columns, the Ghost table, components, more curves."""

from dataclasses import replace

from bench.report.deck.claims import claims_about, verdict_lines
from bench.report.deck.findings import ablation
from bench.report.deck.grids import grid_of
from bench.report.deck.material import Material
from bench.report.deck.missing import missing_models, wanted_models
from bench.report.deck.opening import conditions
from bench.report.deck.results import absent_models, curves
from bench.report.deck.slides import Part

FIRST = 10
COLUMNS = ("rank", "model", "top1", "top5", "top1_per_m_params", "top1_per_mmac")
CURVES = ("eca_resnet_20", "ghost_resnet_20", "convnext_tiny")


def first_ten(material: Material) -> list[Part]:
    """Return the first ten with top-5 and both efficiencies."""
    table = material.table("comparison")
    checked = claims_about(material, "comparison", ("top5", "flop_efficiency"))
    wanted = wanted_models(material)[:FIRST]
    rows, absent = material.rows(table)[:FIRST], absent_models(material, wanted)
    grid = grid_of(material, table, COLUMNS, rows=rows, claims="comparison", absent=absent)
    return [*conditions(material), grid, *verdict_lines(material, checked), *missing_models(material, wanted)]


def ghost(material: Material) -> list[Part]:
    """Return the ablation of the Ghost ratio."""
    return ablation(material, "ghost_ratio")


def components(material: Material) -> list[Part]:
    """Return ConvNeXt's components beside those of the improved design."""
    table = material.table("components")
    grid = grid_of(material, table, [column.key for column in table.columns])
    return [replace(grid, sources=("python -m bench.tables components, bench/zoo/components.json",))]


def more_curves(material: Material) -> list[Part]:
    """Return the training curves of three more models."""
    return curves(material, CURVES, "training_curves_more")
