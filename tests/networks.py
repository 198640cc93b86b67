"""Planted graphs as networks under the contracts of the shipped catalogue, and real ones of ../shared."""

from functools import cache
from typing import Any

from omote.zoo import Catalogue, Network, Networks, Session
from omote.zoo.catalogue import card_of
from tests.shared_data import SHARED

CATALOGUE = Catalogue.load()


def network(model: bytes, contract: str, **settings: Any) -> Network:
    """A network of these bytes, used as a contract says, with settings of its own on top."""
    card = card_of("planted", {"contract": contract, **settings}, CATALOGUE.contracts)
    return Network(card, Session(model, label="planted"), lambda: model)


@cache
def real(file: str, contract: str) -> Network:
    """A network of ../shared/weights."""
    task = CATALOGUE.contracts[contract].task
    return Networks(CATALOGUE).open(SHARED / "weights" / file, task, contract)
