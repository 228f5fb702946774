"""Whether a run can be logged to W&B in the mode that WANDB_MODE asks for."""

import os
from http import HTTPStatus
from typing import Any

from bench.util.errors import BadInput, unknown

MODE = "WANDB_MODE"
# W&B's modes, with the names that older versions gave them.
ONLINE, OFFLINE, DISABLED = ("online", "run", "shared"), ("offline", "dryrun"), ("disabled",)
KEY_LENGTH = 40
TIMEOUT_SECONDS = 10.0
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
WITHOUT = f"or log to the run's folder ({MODE}=offline or unset) and upload that later with `wandb sync`"
LOG_IN = f"log in (`wandb login`, or set WANDB_API_KEY), {WITHOUT}"


def wandb_mode() -> str:
    """Return how runs are logged: what WANDB_MODE says, else offline; raise BadInput for what is no mode of W&B's."""
    mode = os.environ.get(MODE) or "offline"
    modes = (*ONLINE, *OFFLINE, *DISABLED)
    if mode not in modes:
        raise BadInput(f"environment variable {MODE}: {unknown('mode', mode, modes)}")
    return mode


def check_wandb() -> None:
    """Refuse to log online without an API key that W&B takes; other modes need neither key nor network."""
    if wandb_mode() not in ONLINE:
        return
    import wandb

    key, server = wandb.api.api_key, str(wandb.api.settings("base_url"))
    if not key:
        raise BadInput(f"{MODE}={wandb_mode()}, but there is no API key for {server}: {LOG_IN}")
    if len(key.partition("-")[2] if "-" in key else key) != KEY_LENGTH:
        raise BadInput(
            f"{MODE}={wandb_mode()}, but the API key for {server} does not have {KEY_LENGTH} characters: {LOG_IN}"
        )
    check_login(server, key)


def check_login(server: str, key: str) -> None:
    """Ask a W&B server whom an API key belongs to; refuse when it does not answer or does not know the key."""
    import requests

    query = {"query": "query Viewer { viewer { id } }"}
    try:
        answer = requests.post(f"{server}/graphql", json=query, auth=("api", key), timeout=TIMEOUT_SECONDS)
        if answer.status_code not in REFUSALS:
            answer.raise_for_status()
        known = answer.status_code not in REFUSALS and bool(viewer(answer.json()))
    except (requests.RequestException, ValueError) as error:
        code = getattr(getattr(error, "response", None), "status_code", None)
        reason = type(error).__name__ if code is None else f"HTTP {code}"
        raise BadInput(
            f"{MODE}={wandb_mode()}, but {server} is not available ({reason}): try again later, {WITHOUT}"
        ) from None
    if not known:
        raise BadInput(f"{MODE}={wandb_mode()}, but {server} does not accept the API key: {LOG_IN}")


def viewer(answer: Any) -> Any:
    """Return the account in a server's answer, None where there is none."""
    data = answer.get("data") if isinstance(answer, dict) else None
    return data.get("viewer") if isinstance(data, dict) else None
