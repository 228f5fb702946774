"""Engines that execute a run: the same spec in, the same records out."""

from bench.engines.fast_import import import_composer

# Before any module of this package imports Composer by itself.
import_composer()
