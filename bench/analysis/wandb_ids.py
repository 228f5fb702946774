"""Under which ids W&B has the suite's runs, and under which key of a run's summary what it was evaluated on."""

import hashlib

# W&B takes ids of up to so many characters.
MAX_ID = 128
EVALUATIONS = "evaluation"


def run_id(experiment: str, run: str) -> str:
    """Return the id of a run in its W&B project, the same at every attempt; a long one ends in a digest of itself."""
    whole = f"{experiment}-{run}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    return whole if len(whole) <= MAX_ID else f"{whole[: MAX_ID - 17]}-{digest}"
