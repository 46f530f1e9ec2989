"""One set of scenarios for all media engines: the Python loop, the compiled loop, and rtpengine 10.5.

Where rtpengine by its nature does something else, the test says what, and docs/reference/media-engines.md
why.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ichat_gw.call.media import Side
from tests.media.net.engines import KINDS, V4, V6, Peer, running, talk

CALLER, CALLEE = Side.CALLER, Side.CALLEE
pytestmark = pytest.mark.parametrize("kind", KINDS)


@contextlib.contextmanager
def peers(*hosts: str, **more: bool) -> Iterator[list[Peer]]:
    """Parties at these addresses, the first with SSRC 1."""
    made = [Peer(host, ssrc=number) for number, host in enumerate(hosts, start=1)]
    try:
        yield made
    finally:
        for peer in made:
            peer.close()


@pytest.mark.parametrize("callee_at", [V4, V6])
@pytest.mark.parametrize("caller_at", [V4, V6])
async def test_sound_and_reports_both_ways(kind: str, tmp_path: Path, caller_at: str, callee_at: str) -> None:
    async with running(kind, tmp_path) as stage:
        with peers(caller_at, callee_at) as (alice, bob):
            await stage.call(alice, bob)
            await talk(alice, bob)
            alice.report()
            bob.report()
            for peer in (alice, bob):
                reports = (await peer.hears(0, 1)).rtcp
                assert [packet[4:8] for packet in reports] == [peer.ssrc_heard], "RTCP goes with the RTP"
            counters = await stage.release()
    assert counters is not None
    for party in (counters.caller, counters.callee):
        assert (party.received, party.sent, party.rtcp_received, party.rtcp_sent) == (10, 10, 1, 1)
        assert (party.received_octets, party.strangers) == (1720, 0)
    assert counters.caller.source == alice.rtp.address
