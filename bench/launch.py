"""Composer's launcher, as `composer` starts it in this environment: `composer -n 2 bench/train.py -f …`.

Processes, options and environment variables are Composer's own (`composer/cli/launcher.py`). Three things differ. It
starts at once: Composer's script first imports Composer and torch, for seconds, which the launcher hardly uses. When it
is stopped by SIGTERM or SIGINT it says nothing but how to go on and exits with 143 or 130, where Composer's prints a
traceback of its own and the exit status of every process. And it says in one line what is wrong with the options of a
run on several machines.

`bench train -n 2 -f …` is the same command without the script's name.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from importlib.machinery import SourceFileLoader
from importlib.metadata import distribution
from pathlib import Path
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any, TextIO

from bench.engines.fast_import import without
from bench.launch_nodes import check_nodes, read_options
from bench.util.cli import BAD_INPUT, make_parser
from bench.util.errors import BadInput
from bench.util.ports import free_port

# How long the processes may take to end when the run is stopped: a step or an evaluation, and a checkpoint.
TIME_TO_STOP = timedelta(seconds=180)
# How long a killed process may take to be gone.
SECONDS_TO_DIE = 10.0
SCRIPT = Path(__file__).with_name("train.py")
# The launcher's options that `bench train` passes on: flags, type, help.
OPTIONS: list[tuple[tuple[str, ...], type, str]] = [
    (("-n", "--nproc"), int, "processes on this machine (default: one per GPU, else one)"),
    (("--world_size",), int, "processes on all machines"),
    (("--node_rank",), int, "number of this machine, from 0"),
    (("--master_addr",), str, "address of machine 0"),
    (("--master_port",), int, "port on machine 0"),
    (("--stdout",), str, "file for the output of the other processes, such as out.{rank}.txt"),
    (("--stderr",), str, "file for their errors"),
]
STOPPED = {128 + number for number in (signal.SIGTERM, signal.SIGINT)}


def count_gpus() -> int:
    """Return the number of GPUs, which is how many processes are started without -n."""
    import torch

    return torch.cuda.device_count()


# All that the launcher uses of Composer and torch.
STAND_INS: dict[str, dict[str, Any]] = {
    "composer": {"__version__": distribution("mosaicml").version},
    "composer.loggers": {},
    "composer.loggers.mosaicml_logger": {
        f"MOSAICML_{name}_ENV_VAR": f"MOSAICML_{name}" for name in ("PLATFORM", "LOG_DIR", "GPU_LOG_FILE_PREFIX")
    },
    "composer.utils": {"get_free_tcp_port": free_port},
    "torch": {"cuda": SimpleNamespace(device_count=count_gpus)},
}


def load_launcher() -> Any:
    """Return Composer's launcher as a module of its own, imported without Composer and torch."""
    source = distribution("mosaicml").locate_file("composer/cli/launcher.py")
    loader = SourceFileLoader("composer_launcher", str(source))
    module = ModuleType(loader.name)
    with without(STAND_INS):
        loader.exec_module(module)
    return module


class StopRequest:
    """The first of SIGTERM and SIGINT that came, as `received` (0 before), which lets the launcher end the processes.

    Another SIGINT kills them without waiting any longer.
    """

    def __init__(self, launcher: Any) -> None:
        self.received = 0
        self.cleaning_up = False
        self._launcher = launcher

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the launcher, unless it ends the processes already: it then only waits longer, or not at all."""
        if self.received:
            if number == signal.SIGINT:
                self._launcher.CLEANUP_TIMEOUT = timedelta()
            return
        self.received = number
        self._launcher.CLEANUP_TIMEOUT = TIME_TO_STOP
        if not self.cleaning_up:
            raise KeyboardInterrupt


class Muted:
    """A stream that drops what is written after a stop was requested; what the processes write goes past it."""

    def __init__(self, stream: TextIO, request: StopRequest) -> None:
        self._stream, self._request = stream, request

    def write(self, text: str) -> int:
        """Write the text unless a stop was requested."""
        return len(text) if self._request.received else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        """Return everything else as the stream has it."""
        return getattr(self._stream, name)


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore SIGINT; processes started meanwhile ignore it too, until they ask for it themselves.

    Ctrl-C reaches all of them at once: without this it would end one that is still starting with a traceback.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def adapt(launcher: Any, request: StopRequest) -> None:
    """Let the launcher check the nodes, start processes that ignore SIGINT at first, and end only unfinished ones."""
    parse, start, clean_up = launcher._parse_args, launcher._launch_processes, launcher._cleanup_processes

    def parse_checked() -> Any:
        """Return the options; raise BadInput for those that describe no machine of a run."""
        given = launcher._get_parser().parse_args()
        if (here := given.nproc) is None:
            here = int(os.environ.get("LOCAL_WORLD_SIZE") or launcher.torch.cuda.device_count() or 1)
        check_nodes(read_options(given, here, os.environ))
        return parse()

    def start_quietly(**options: Any) -> None:
        """Start the processes."""
        with interrupts_ignored():
            start(**options)

    def clean_up_quietly(processes: Mapping[int, subprocess.Popen[str]]) -> None:
        """End what has not finished, and wait for what was killed: its exit code is asked for next."""
        request.cleaning_up = True
        if any(process.poll() != 0 for process in processes.values()):
            clean_up(processes)
            for process in processes.values():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(SECONDS_TO_DIE)

    launcher._parse_args = parse_checked
    launcher._launch_processes, launcher._cleanup_processes = start_quietly, clean_up_quietly


def exit_code(code: int, received: int) -> int:
    """Return the exit code: 128 + the signal for a run that it stopped, else the one of the processes."""
    return 128 + received if received and (code < 0 or code in STOPPED) else code


def run() -> int:
    """Launch the processes, wait for them and return the exit code; `composer` calls this."""
    launcher = load_launcher()
    request = StopRequest(launcher)
    adapt(launcher, request)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request.handle)
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(Muted(sys.stdout, request)))
        stack.enter_context(redirect_stderr(Muted(sys.stderr, request)))
        try:
            code = launcher.main()
        except BadInput as error:
            print(f"error: {error}", file=sys.stderr)
            code = BAD_INPUT
        except KeyboardInterrupt:
            code = -signal.SIGTERM
    if code < 0 and request.received:
        # The process that speaks for the run ended before it could.
        from bench.engines.stopping import AGAIN

        print(f"stopped by {signal.Signals(request.received).name}. {AGAIN}", file=sys.stderr)
    return exit_code(code, request.received)


def add_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Return a parser with the launcher's options added to it."""
    for flags, kind, summary in OPTIONS:
        parser.add_argument(*flags, type=kind, help=summary)
    return parser


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `bench train`: the launcher's options and the script's."""
    from bench import train

    parser = make_parser("bench", train.__doc__ or "", "bench train -n 2 -f yamls/resnet_20.yaml seed=3")
    parser.prog = "bench train"
    train.add_arguments(parser)
    return add_options(parser)


def launcher_command(words: Sequence[str]) -> list[str]:
    """Return the launcher's command line for the words of `bench train`: its own options, the script, the rest."""
    options, rest = add_options(argparse.ArgumentParser(add_help=False, allow_abbrev=False)).parse_known_args(words)
    own = [(f"--{name}", str(value)) for name, value in vars(options).items() if value is not None]
    return ["composer", *(word for pair in own for word in pair), str(SCRIPT), *rest]


def main(words: Sequence[str]) -> int:
    """Check the words of `bench train`, and launch the training."""
    build_parser().parse_args(words)
    sys.argv = launcher_command(words)
    return run()


if __name__ == "__main__":
    sys.exit(run())
