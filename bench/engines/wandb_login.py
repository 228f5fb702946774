"""Whether a run can be logged to W&B in the mode that WANDB_MODE asks for."""

import os

from bench.util.errors import BadInput, unknown
from bench.util.wandb_account import check_account

MODE = "WANDB_MODE"
# W&B's modes, with the names that older versions gave them.
ONLINE, OFFLINE, DISABLED = ("online", "run", "shared"), ("offline", "dryrun"), ("disabled",)
WITHOUT = f"or log to the run's folder ({MODE}=offline or unset) and upload that later with `python -m bench.sync`"


def wandb_mode() -> str:
    """Return how runs are logged: what WANDB_MODE says, else offline; raise BadInput for what is no mode of W&B's."""
    mode = os.environ.get(MODE) or "offline"
    modes = (*ONLINE, *OFFLINE, *DISABLED)
    if mode not in modes:
        raise BadInput(f"environment variable {MODE}: {unknown('mode', mode, modes)}")
    return mode


def check_wandb() -> None:
    """Refuse to log online without an API key that W&B takes; other modes need neither key nor network."""
    if wandb_mode() in ONLINE:
        check_account(f"{MODE}={wandb_mode()}", WITHOUT)
