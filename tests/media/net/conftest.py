"""A worker with either loop, and a call on it."""

from collections.abc import Iterator

import pytest

from ichat_gw.media.net.compiled_worker import CompiledWorker, is_built
from ichat_gw.media.net.worker import Worker
from tests.media.net.loopback import Call, LoopbackWorker


@pytest.fixture(params=["python", "compiled"])
def worker(request: pytest.FixtureRequest) -> Iterator[LoopbackWorker]:
    """Every test runs on both loops; on one where there is no compiler."""
    if request.param == "compiled" and not is_built():
        pytest.skip("the compiled loop is not built")
    with LoopbackWorker(CompiledWorker if request.param == "compiled" else Worker) as worker:
        yield worker


@pytest.fixture
def call(worker: LoopbackWorker) -> Iterator[Call]:
    call = Call(worker)
    yield call
    call.close()
