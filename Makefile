# make quickstart | test | lint | lock | reports          (`make help` says what each does)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Several test processes share the machine with each other: one thread each unless told otherwise.
export OMP_NUM_THREADS ?= 1

.PHONY: help quickstart reports test lint lock clean
help:
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/'

# The stamp is newer than the lock once the environment holds exactly what the lock names.
$(VENV)/.synced: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13) and "Python 3.11 or 3.12 is needed: make PYTHON=python3.11 …")'
	mkdir -p $(VENV) && date +%s > $(VENV)/.begun
	$(PYTHON) -m venv $(VENV)
	awk '/^uv==/{p=1;print;next} p&&/^ +--hash/{print;next} {p=0}' requirements.lock > $(VENV)/uv.txt
	$(BIN)/pip install --quiet --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@echo "$(VENV) was installed in $$(($$(date +%s) - $$(cat $(VENV)/.begun))) s"
	touch $@

quickstart: $(VENV)/.synced  ## train a small run on the embedded data set, print its table, draw its curve
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/composer -n 2 bench/train.py -f yamls/quickstart.yaml $(ARGUMENTS)
	$(BIN)/python -m bench.tables comparison --runs runs --experiment quickstart
	$(BIN)/python -m bench.figures training_curves --runs runs --experiment quickstart --out runs/quickstart

# The runs that are committed as records. What `bench.speed` has measured is only reported anew, not measured.
SPEED := --runs reports/runs --experiment speed --out reports/speed_75
SPEED_CPU := --runs reports/runs --experiment speed_cpu --out reports/speed_75/cpu
INGREDIENTS := --runs reports/runs --experiment speed_75_ingredients --out reports/speed_75
SMALL := --runs reports/runs --experiment small_10ep --out reports/small_10ep
FAST := --runs reports/runs --experiment fast_default --out reports/fast_default
FRONTIER := --runs reports/runs --experiment speed --experiment small_10ep --experiment frontier --out reports/frontier
EQUAL_COMPUTE := --runs reports/runs --experiment frontier --out reports/frontier
TRANSFORMERS := --runs reports/runs --experiment transformers --out reports/transformers
EVALUATED := --runs reports/runs --experiment speed_cpu --experiment weights_cpu --out reports/evaluation
DISTILLED := --runs reports/runs --experiment speed_cpu --experiment weights_cpu --experiment distillation \
	--out reports/distillation
reports: $(VENV)/.synced  ## write the reports anew from the committed records
	$(BIN)/python -m bench.analysis.own_bands --runs reports/runs
	$(BIN)/python -m bench.audit --runs reports/runs --out reports/claims
	$(BIN)/python -m bench.zoo --out reports
	$(BIN)/python -m bench.tables comparison --runs reports/runs --experiment readme --out reports/readme
	$(BIN)/python -m bench.figures training_curves --runs reports/runs --experiment readme --out reports/readme
	$(BIN)/python -m bench.tables algorithms training_cost $(FAST)
	$(BIN)/python -m bench.tables time_to_accuracy $(SPEED)
	$(BIN)/python -m bench.tables time_to_accuracy $(SPEED_CPU)
	$(BIN)/python -m bench.figures time_to_accuracy $(SPEED)
	$(BIN)/python -m bench.tables speed_75 $(INGREDIENTS)
	$(BIN)/python -m bench.figures ablations $(INGREDIENTS)
	$(BIN)/python -m bench.tables comparison efficiency $(SMALL)
	$(BIN)/python -m bench.tables recipes_10ep ghost_ratio eca_position improved_resnet20_convnext $(SMALL)
	$(BIN)/python -m bench.figures accuracy_comparison efficiency_analysis $(SMALL)
	$(BIN)/python -m bench.figures frontier $(FRONTIER)
	$(BIN)/python -m bench.tables comparison $(EQUAL_COMPUTE)
	$(BIN)/python -m bench.tables comparison $(TRANSFORMERS)
	$(BIN)/python -m bench.tables calibration robustness latency $(EVALUATED)
	$(BIN)/python -m bench.tables distillation $(DISTILLED)
	$(BIN)/python -m bench.figures reliability_diagram superclass_confusion corruption_curves $(EVALUATED)
	$(BIN)/python -m bench.figures adversarial_accuracy $(EVALUATED)
	$(BIN)/python -m bench.speed report --out reports/speed.md
	$(BIN)/python -m bench.report html --runs reports/runs --out reports/index.html
	$(BIN)/python -m bench.report deck --runs reports/runs --lang zh --claims --out reports/deck/deck.zh.md
	$(BIN)/python -m bench.report deck --runs reports/runs --lang en --claims --out reports/deck/deck.en.md
	$(BIN)/python -m bench.report wandb --runs reports/runs --experiment small_10ep --entity your-team --project cifar100 \
		--dry-run --out reports/wandb_report.json

test: $(VENV)/.synced  ## run every test, two at a time
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

lint: $(VENV)/.synced  ## style, docstrings, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(VENV)/.synced  ## write requirements.lock anew from the ranges in pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra deepspeed --extra ray --extra evaluate --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --quiet --output-file requirements.lock

clean:  ## remove the environment and what tests leave behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
