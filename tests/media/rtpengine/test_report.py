"""Counters out of what rtpengine 10.5 replies to `query` and `delete`."""

from typing import Any

import pytest

from ichat_gw.call.media import Side
from ichat_gw.media.engine import CallCounters
from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.media.rtpengine.bencode import encode
from ichat_gw.media.rtpengine.ng import read_reply
from ichat_gw.media.rtpengine.report import counters_in, heard


def stream(packets: int, octets: int, errors: int = 0, port: int = 30_000) -> dict[str, Any]:
    return {
        "endpoint": {"address": "192.0.2.10", "family": "IPv4", "port": port},
        "stats": {"packets": packets, "bytes": octets, "errors": errors},
    }


def tag(*streams: object) -> dict[str, Any]:
    return {"medias": [{"type": "audio", "streams": list(streams)}]}


def counters(body: dict[str, Any], silent_for: dict[Side, float | None] | None = None) -> CallCounters | None:
    reply = read_reply(b"c " + encode({"result": "ok", **body}))
    return counters_in(reply, silent_for or dict.fromkeys(Side))


def test_both_parties() -> None:
    found = counters(
        {
            "tags": {
                "callee": tag(stream(5, 860), stream(1, 28)),
                "caller": tag(stream(30, 5160, errors=20), stream(4, 112, errors=2)),
            }
        },
        {Side.CALLER: 1.5, Side.CALLEE: None},
    )
    source = ("192.0.2.10", 30_000)
    assert found == CallCounters(
        PartyCounters(10, 5160, 5, 860, 2, 1, strangers=22, silent_for=1.5, source=source),
        PartyCounters(5, 860, 10, 5160, 1, 2, source=source),
    )
    assert found is not None
    assert heard(found.caller) == 12


@pytest.mark.parametrize(
    "of_caller",
    [
        0,
        {},
        {"medias": 0},
        {"medias": []},
        {"medias": [0]},
        {"medias": [{}]},
        tag(),
        tag(0),
        tag({}),
        tag({"stats": 0, "endpoint": 0}),
        tag({"stats": {"packets": "x"}, "endpoint": {"address": 1, "port": 2}}),
        tag({"endpoint": {"address": "0.0.0.0", "port": 9}}),
    ],
)
def test_what_is_missing_is_zero(of_caller: object) -> None:
    assert counters({"tags": {"caller": of_caller}}) == CallCounters(PartyCounters(), PartyCounters())


def test_a_phone_that_wants_no_rtcp_is_no_stranger() -> None:
    """What rtpengine sends there in vain it counts as errors, without packets."""
    found = counters({"tags": {"caller": tag(stream(10, 1720), stream(0, 0, errors=3))}})
    assert found is not None
    assert (found.caller.strangers, found.caller.received, found.caller.rtcp_received) == (0, 10, 0)


def test_no_counters() -> None:
    assert counters({}) is None
    assert counters({"tags": []}) is None
