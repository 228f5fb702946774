"""What several tests of reports are given."""

import pytest

from bench.report.deck.slides import Deck
from tests.report.decks import committed_deck


@pytest.fixture(scope="session")
def committed() -> Deck:
    """Return the deck of the committed runs, with the deck's own figures beside them."""
    return committed_deck(beside=True)
