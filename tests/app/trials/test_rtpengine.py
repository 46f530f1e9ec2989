"""rtpengines that are pinged."""

import socket
import threading

import pytest

from app.trials.conftest import Configure
from ichat_gw.app.trials import rtpengine as module
from ichat_gw.app.trials.rtpengine import try_rtpengines
from tests.peers.ports import free_port


@pytest.mark.parametrize(("says", "outcome"), [(b"d6:result4:ponge", "ok"), (b"hello", "failed")])
def test_one_that_answers(configure: Configure, says: bytes, outcome: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as engine:
        engine.bind(("127.0.0.1", 0))

        def answer() -> None:
            asked, who = engine.recvfrom(4096)
            cookie, _, request = asked.partition(b" ")
            assert request == b"d7:command4:pinge"
            engine.sendto(cookie + b" " + says, who)

        thread = threading.Thread(target=answer)
        thread.start()
        where = f"127.0.0.1:{engine.getsockname()[1]}"
        (trial,) = try_rtpengines(configure(MediaEngine="rtpengine", RtpengineAddress=where).settings)
        thread.join()
    assert trial.outcome == outcome
    assert trial.text.startswith(where)


def test_some_that_do_not(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        places = f"127.0.0.1:{deaf.getsockname()[1]}, 127.0.0.1:{free_port()}, no-such-host.invalid:1"
        found = list(try_rtpengines(configure(MediaEngine="rtpengine", RtpengineAddress=places).settings))
    assert [trial.outcome for trial in found] == ["failed"] * 3
    assert "nothing came within 0.1 seconds" in found[0].text
    assert "Connection refused" in found[1].text


def test_none_are_asked_where_none_is_used(configure: Configure) -> None:
    assert list(try_rtpengines(configure().settings)) == []
