"""Whether a W&B server can be reached, knows this account, and has an entity: asked before anything is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from bench.util.errors import BadInput

KEY_LENGTH = 40
TIMEOUT_SECONDS = 10.0
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
LOG_IN = "log in (`wandb login`, or set WANDB_API_KEY)"
VIEWER = "query Viewer { viewer { id entity } }"
ENTITY = "query EntityIsTeam($entity: String!) { entity(name: $entity) { id isTeam } }"


def check_account(asked: str, otherwise: str) -> str:
    """Return the account's own entity; raise BadInput without an API key that the W&B server takes.

    `asked` is what needs the account, `otherwise` what can be done without one, for messages.
    """
    key, server = key_and_server()
    log_in = f"{LOG_IN}, {otherwise}"
    if not key:
        raise BadInput(f"{asked}, but there is no API key for {server}: {log_in}")
    if len(key.partition("-")[2] if "-" in key else key) != KEY_LENGTH:
        raise BadInput(f"{asked}, but the API key for {server} does not have {KEY_LENGTH} characters: {log_in}")
    with available(asked, server, otherwise):
        account = ask(server, key, VIEWER).get("viewer")
    if not account:
        raise BadInput(f"{asked}, but {server} does not accept the API key: {log_in}")
    return str(account.get("entity") or "")


def check_entity(asked: str, otherwise: str, entity: str) -> None:
    """Raise BadInput for an entity that the W&B server does not show to this account."""
    key, server = key_and_server()
    with available(asked, server, otherwise):
        found = ask(server, str(key), ENTITY, entity=entity).get("entity")
    if not found:
        raise BadInput(f"{asked}: {server} has no entity '{entity}' for this account; it is a user's or a team's name")


def key_and_server() -> tuple[str | None, str]:
    """Return the API key that wandb would use, if there is one, and its server's address."""
    import wandb  # imported here: it takes a second, and help needs none of it

    return wandb.api.api_key, str(wandb.api.settings("base_url"))


@contextmanager
def available(asked: str, server: str, otherwise: str) -> Iterator[None]:
    """Raise BadInput where a server does not answer, or not in the way of W&B."""
    import requests

    try:
        yield
    except (requests.RequestException, ValueError) as error:
        code = getattr(getattr(error, "response", None), "status_code", None)
        reason = type(error).__name__ if code is None else f"HTTP {code}"
        raise BadInput(f"{asked}, but {server} is not available ({reason}): try again later, {otherwise}") from None


def ask(server: str, key: str, query: str, **variables: str) -> dict[str, Any]:
    """Return the data that a server answers a query with, empty where it does not know the key."""
    import requests

    content: Any = {"query": query, "variables": variables}
    answer = requests.post(f"{server}/graphql", json=content, auth=("api", key), timeout=TIMEOUT_SECONDS)
    if answer.status_code in REFUSALS:
        return {}
    answer.raise_for_status()
    data = answer.json()
    data = data.get("data") if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
