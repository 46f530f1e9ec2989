"""What rtpengine counts, as our counters.

It counts what it takes in, not what it sends: what is sent to a party is taken to be what came from its
partner. Packets from strangers are among the `packets` of a stream and are `errors`, too; but so are packets
that could not be delivered to the party, which are not among them. Octets of strangers cannot be told from
those of the party. Lost and late packets and jitter it does not tell.
"""

from ichat_gw.call.media import Side
from ichat_gw.media.engine import CallCounters
from ichat_gw.media.relay_messages import PartyCounters
from ichat_gw.media.rtpengine.bencode import Decoded
from ichat_gw.media.rtpengine.ng import CALLEE_TAG, CALLER_TAG, Reply

TAGS = {Side.CALLER: CALLER_TAG, Side.CALLEE: CALLEE_TAG}


def counters_in(reply: Reply, silent_for: dict[Side, float | None]) -> CallCounters | None:
    """The counters in a reply to `query` or `delete`; None when there are none.

    `silent_for` is what `PartyCounters` says of each party, by our own clock.
    """
    tags = reply.body.get(b"tags")
    if not isinstance(tags, dict):
        return None
    caller, callee = (_streams(tags.get(TAGS[side].encode())) for side in Side)
    return CallCounters(
        _party(caller, callee, silent_for[Side.CALLER]), _party(callee, caller, silent_for[Side.CALLEE])
    )


def heard(counters: PartyCounters) -> int:
    """A number that grows with every packet from the party."""
    return counters.received + counters.rtcp_received


_Streams = list[dict[bytes, Decoded]]


def _party(streams: _Streams, partner: _Streams, silent_for: float | None) -> PartyCounters:
    return PartyCounters(
        received=_taken(streams, 0),
        received_octets=_count(streams, 0, b"bytes"),
        sent=_taken(partner, 0),
        sent_octets=_count(partner, 0, b"bytes"),
        rtcp_received=_taken(streams, 1),
        rtcp_sent=_taken(partner, 1),
        strangers=_strange(streams, 0) + _strange(streams, 1),
        silent_for=silent_for,
        source=_source(streams),
    )


def _streams(tag: Decoded | None) -> _Streams:
    """The streams of a party's only medium: that of RTP, that of RTCP."""
    medias = tag.get(b"medias") if isinstance(tag, dict) else None
    media = medias[0] if isinstance(medias, list) and medias else None
    streams = media.get(b"streams") if isinstance(media, dict) else None
    return [each for each in streams if isinstance(each, dict)] if isinstance(streams, list) else []


def _taken(streams: _Streams, index: int) -> int:
    return _count(streams, index, b"packets") - _strange(streams, index)


def _strange(streams: _Streams, index: int) -> int:
    return min(_count(streams, index, b"packets"), _count(streams, index, b"errors"))


def _count(streams: _Streams, index: int, name: bytes) -> int:
    stats = streams[index].get(b"stats") if index < len(streams) else None
    number = stats.get(name) if isinstance(stats, dict) else None
    return number if isinstance(number, int) else 0


def _source(streams: _Streams) -> tuple[str, int] | None:
    endpoint = streams[0].get(b"endpoint") if streams else None
    if not isinstance(endpoint, dict):
        return None
    address, port = endpoint.get(b"address"), endpoint.get(b"port")
    if not isinstance(address, bytes) or not isinstance(port, int) or address in (b"0.0.0.0", b"::"):
        return None
    return address.decode(errors="replace"), port
