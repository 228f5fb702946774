"""What a suite takes on machines that are not at hand: from records there, from published logs, or as stated."""

import json
import re
import statistics
from pathlib import Path

import pytest

from bench.analysis.shared_devices import read_shared, what_shared
from bench.audit.published import read_published
from bench.config import YAMLS, load_spec
from bench.records import read_runs
from bench.sweep import train
from bench.sweep.elsewhere import RECORDS, known_runs
from bench.sweep.suite import plan_suite
from bench.sweep.timing import elsewhere
from bench.sweep.timing.devices import DEVICES, Fleet, find_device, read_fleets
from bench.sweep.timing.estimate import works_of
from bench.util.cli import BAD_INPUT, OK, run_command
from bench.util.errors import BadInput
from bench.zoo.counting.golden import read_golden
from tests.fake_runs import write_fake_run

DECK = YAMLS / "suites" / "deck.yaml"


def planned(fleet: str, *words: str, records: Path | None = None) -> elsewhere.Elsewhere:
    """Return what the deck's suite takes on a fleet, by the records of a folder."""
    plan, (there,) = plan_suite(DECK, words), read_fleets(fleet)
    rates = elsewhere.measured_rates(read_runs(records)) if records else {}
    return elsewhere.plan_elsewhere(
        there, plan.suite, plan.runs, works_of(plan.runs), rates, read_published(read_golden())
    )


def test_fleets_are_read() -> None:
    assert read_fleets("8xV100, 64xh100") == [Fleet(8, "V100"), Fleet(64, "H100")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8xV10", "unknown device 'V10'. Did you mean 'V100'"),
        ("V100", "such as 8xV100"),
        ("0xV100", "such as 8xV100"),
        ("8xV100,", "such as 8xV100"),
    ],
)
def test_what_is_no_fleet_is_refused(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(train.main, ["-f", str(DECK), "--dry-run", "--on", text]) == BAD_INPUT
    assert message in capsys.readouterr().err


def test_a_fleet_trains_nothing_and_needs_as_many_devices_as_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(train.main, ["-f", str(DECK), "--on", "8xV100"]) == BAD_INPUT
    assert "use it with --dry-run" in capsys.readouterr().err
    assert run_command(train.main, ["-f", str(DECK), "--dry-run", "--on", "8xV100", "--workers", "2"]) == BAD_INPUT
    assert "leave one of them out" in capsys.readouterr().err
    with pytest.raises(BadInput, match="takes 8 devices"):
        planned("4xV100", "seeds=[0]")


def test_the_suite_of_the_deck_has_the_rows_of_its_table_cheapest_first() -> None:
    claims = (YAMLS.parent / "reports" / "claims" / "claims.csv").read_text(encoding="utf-8").splitlines()
    rows = {line.split(",")[1] for line in claims if line.startswith("comparison,")}
    plan = plan_suite(DECK, ["seeds=[0]"])
    works = works_of(plan.runs)
    assert {run.spec.model.name for run in plan.runs} == rows
    assert len(plan.runs) == 21
    flops = [works[run.name].flops or 0 for run in plan.runs]
    assert flops == sorted(flops)
    assert all(flops)
    assert {str(run.spec.max_duration) for run in plan.runs} == {"300ep"}
    assert len(plan_suite(DECK).runs) == 105


def test_what_is_stated_of_a_v100_is_what_its_logs_tell() -> None:
    """Median error below 10 %, over networks from 7 to 1612 M multiply-accumulates."""
    golden, device = read_golden(), DEVICES["V100"]
    runs = [run for run in read_published(golden).runs if run.deck_recipe and run.model in golden]
    errors = []
    for run in runs:
        logged = run.steps * run.batch_per_gpu / (run.hours * 3600)
        stated = device.rate(6 * golden[run.model].macs, device.precision)
        assert stated is not None
        errors.append(abs(stated / logged - 1))
    assert len(errors) > 30
    assert statistics.median(errors) < 0.1


def test_a_device_does_not_train_in_a_precision_that_it_has_not() -> None:
    assert DEVICES["V100"].rate(1e9, "amp_bf16") is None
    sources = {run.source for run in planned("8xT4", "seeds=[0]", "precision=amp_bf16").runs.values()}
    assert sources == {elsewhere.UNKNOWN}


@pytest.mark.parametrize(
    ("called", "name"),
    [("Tesla V100-SXM2-32GB", "V100"), ("NVIDIA H100 80GB HBM3", "H100"), ("Tesla T4", "T4"), ("AMD EPYC", None)],
)
def test_a_record_tells_its_device(called: str, name: str | None) -> None:
    assert find_device(called) == name


def test_a_record_on_the_device_counts_more_than_logs_and_logs_more_than_what_is_stated(tmp_path: Path) -> None:
    """A record of 4 devices tells the throughput of one."""
    for seed, rate in enumerate((4000.0, 4400.0)):
        machine = {"machine.device_name": "Tesla V100-SXM2-32GB", "machine.world_size": 4, "images_per_second": rate}
        write_fake_run(tmp_path, "resnet_20", seed, result=machine)
    write_fake_run(tmp_path, "resnet_56")  # on a device that is not known
    found = planned("16xV100", "seeds=[0, 1]", records=tmp_path)
    by_model = {name.partition("/")[2].rpartition("-")[0].rpartition("-")[0]: run for name, run in found.runs.items()}
    assert by_model["resnet_20"].source == elsewhere.MEASURED
    assert by_model["resnet_20"].rate == pytest.approx(8 * 4200 / 4)
    assert by_model["resnet_56"].source == elsewhere.PUBLISHED
    # The log of cspresnet50 is of another network.
    assert {name for name, run in by_model.items() if run.source == elsewhere.STATED} == {
        "cspresnet50",
        "ghostnet_100",
        "hornet_tiny",
    }
    assert found.at_a_time == 2


def test_runs_that_shared_their_device_tell_no_throughput(tmp_path: Path) -> None:
    machine = {"machine.device_name": "Tesla V100-SXM2-32GB", "machine.world_size": 1}
    rates = {("quiet", "resnet_20"): 900.0, ("busy", "resnet_20"): 90.0, ("quiet", "resnet_32"): 9.0}
    for (experiment, model), rate in rates.items():
        write_fake_run(tmp_path, model, experiment=experiment, result={**machine, "images_per_second": rate})
    shared = {"busy/*": "five runs at a time", "quiet/resnet_32-*": "two runs at a time"}
    (tmp_path / "shared_devices.json").write_text(json.dumps(shared))
    (rate,) = elsewhere.measured_rates(known_runs(tmp_path)).values()
    assert rate == 900.0
    assert known_runs(tmp_path / "nowhere") == []


@pytest.mark.parametrize("content", [{"busy": "five runs"}, {"busy/*": ""}, {"busy/*": ["five runs"]}])
def test_what_names_no_shared_runs_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "shared_devices.json").write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"shared_devices\.json: 'busy.*are expected"):
        read_shared(tmp_path)


def test_the_committed_records_tell_the_throughput_of_a_device_of_their_own() -> None:
    """Of speed_75 the runs that shared an H200 trained 31,000 images/s, those alone 47,000 to 61,000."""
    rates = elsewhere.measured_rates(known_runs(RECORDS))
    model = load_spec(YAMLS / "speed_75.yaml").model.model_dump()
    assert 47_000 < rates[elsewhere.network_key("H200", model)] < 61_000
    assert {key[1] for key in rates if key[0] == "H200"} == {"speed_75"}


def test_shared_devices_and_the_readme_beside_it_name_what_is_there() -> None:
    records = read_runs(RECORDS)
    for pattern in read_shared(RECORDS):
        assert any(what_shared(record.run_id, {pattern: "shared"}) for record in records), pattern
    text = (RECORDS / "README.md").read_text(encoding="utf-8")
    assert {record.path.parent.name for record in records} <= set(re.findall(r"\w+", text))
    assert "(shared_devices.json)" in text


def test_the_time_of_all_is_that_of_runs_that_start_in_their_order() -> None:
    assert elsewhere.makespan([3.0, 1.0, 1.0, 4.0], 2) == 6.0
    assert elsewhere.makespan([3.0, 1.0, 1.0, 4.0], 1) == 9.0
    assert elsewhere.makespan([3.0, None], 2) is None
    assert elsewhere.makespan([], 2) == 0.0


def test_a_network_that_cannot_fit_is_found() -> None:
    """mlp_mixer_b16 with all 2048 images on one T4."""
    (run,) = (run for run in plan_suite(DECK, ["seeds=[0]"]).runs if run.spec.model.name == "mlp_mixer_b16")
    golden = read_golden()
    eight, one = (elsewhere.least_memory(run.spec, golden, processes, DEVICES["T4"]) or 0.0 for processes in (8, 1))
    assert 17_948_772 * 16 / 2**30 < eight < one
    assert eight < 16


def test_the_plan_is_printed_for_each_fleet(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-f", str(DECK), "--dry-run", "--on", "8xV100,64xH100", "seeds=[0]"]
    assert run_command(train.main, words) == OK
    lines = capsys.readouterr().out.splitlines()
    (one, other) = (line for line in lines if " 21 runs, " in line)
    assert one.startswith("8xV100: 21 runs, ")
    assert "with 1 at a time, each on 8" in one
    assert other.startswith("64xH100: 21 runs, ")
    assert "with 8 at a time, each on 8" in other
    assert sum(line.startswith("resnet_56-") for line in lines) == 2
    assert any(line.startswith("18 runs published: ") for line in lines)
    assert any(line.startswith("21 runs stated: 4.0% of 989 TFLOP/s (amp_bf16)") for line in lines)
