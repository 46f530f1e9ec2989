"""Tables made anew for each test."""

import pytest

from ichat_gw.call import bridge, transfer


@pytest.fixture(autouse=True)
def fresh_tables() -> None:
    """`make mutate` changes functions that have run already: for the tables that they made it is too late."""
    bridge.TABLE = bridge._rows()
    transfer.TABLE = transfer._rows()
