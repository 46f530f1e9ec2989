"""rtpengine's ng protocol: one datagram for a request, one for its reply, matched by a cookie.

A datagram is the cookie, a space and a bencoded dictionary. A request that comes a second time with the same
cookie is answered as it was the first time, and nothing is done: so any request may be repeated.

What is said about sources, in `offer` and `answer`, is what the built-in relay does by itself: the party is
heard from the address that its description names and from no other (`strict-source`), and nothing is learnt
(`endpoint-learning-off`) where the description can be true. Where it cannot (`Learning`), rtpengine learns in
its own way: within three seconds of an offer or answer, with the address named preferred.
"""

import struct
from dataclasses import dataclass

from ichat_gw.errors import GatewayError
from ichat_gw.media.relay_messages import Learning
from ichat_gw.media.rtpengine.bencode import Decoded, Encodable, InvalidBencode, decode, encode

CALLER_TAG, CALLEE_TAG = "caller", "callee"
"""Our names for the two parties of every call."""
MAX_TEXT = 200
"""How much of what rtpengine says is passed on, in characters."""

_SAMPLES = 480
_SILENCE = (
    # A WAV file with 60 ms of 16-bit silence at 8 kHz: small enough for one packet of Ethernet.
    struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + 2 * _SAMPLES, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    + struct.pack("<4sI", b"data", 2 * _SAMPLES)
    + bytes(2 * _SAMPLES)
)
_FOR_HOURS = 1_000_000

Request = dict[str, Encodable]


class InvalidReply(GatewayError):
    """The datagram is no reply of the ng protocol."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What rtpengine answered."""

    cookie: str
    body: dict[bytes, Decoded]

    @property
    def result(self) -> str:
        """`ok`, `pong`, `error` or `load limit`; "" when it says nothing of the kind."""
        return _text(self.body.get(b"result"))

    @property
    def reason(self) -> str:
        """Why it was refused, in rtpengine's words."""
        return _text(self.body.get(b"error-reason") or self.body.get(b"message")) or self.result

    @property
    def is_full(self) -> bool:
        """It has no room for another call; another rtpengine may have."""
        # The second is said, with result `error`, when ports run out before a limit is reached.
        return self.result == "load limit" or "Ran out of ports" in self.reason

    @property
    def is_unknown_call(self) -> bool:
        """It knows nothing of the call (any more)."""
        return self.result == "error" and "Unknown call-id" in self.reason

    @property
    def sdp(self) -> str:
        """The description in it; "" when there is none."""
        said = self.body.get(b"sdp")
        return said.decode(errors="replace") if isinstance(said, bytes) else ""


def datagram(cookie: str, request: Request) -> bytes:
    """`request` as it goes on the wire."""
    return cookie.encode() + b" " + encode(request)


def read_reply(data: bytes) -> Reply:
    """What a datagram from rtpengine says. Raises `InvalidReply`."""
    cookie, space, rest = data.partition(b" ")
    if not space or not cookie.isascii():
        raise InvalidReply("no cookie")
    try:
        body = decode(rest)
    except InvalidBencode as error:
        raise InvalidReply(str(error)) from error
    if not isinstance(body, dict):
        raise InvalidReply("no dictionary")
    return Reply(cookie.decode(), body)


def ping() -> Request:
    """Ask whether it lives; answered by `pong`."""
    return {"command": "ping"}


def offer(call: str, sdp: str, learning: Learning, family: str) -> Request:
    """The caller is as `sdp` says; the answer has the port for the callee, of this family (`IP4`, `IP6`)."""
    # One that has no room says so in a way of its own.
    return {**_described("offer", call, sdp, learning, family), "supports": ["load limit"]}


def answer(call: str, sdp: str, learning: Learning, family: str) -> Request:
    """The callee is as `sdp` says; the answer has the port for the caller, of this family."""
    return {**_described("answer", call, sdp, learning, family), "to-tag": CALLEE_TAG}


def play_silence(call: str, party: str) -> Request:
    """Let the party with this tag hear silence, until `stop_playing`: a packet every 20 ms, in its codec."""
    return {
        "command": "play media",
        "call-id": call,
        "from-tag": party,
        "blob": _SILENCE,
        "repeat-times": _FOR_HOURS,
    }


def stop_playing(call: str, party: str) -> Request:
    """No more of that."""
    return {"command": "stop media", "call-id": call, "from-tag": party}


def _described(command: str, call: str, sdp: str, learning: Learning, family: str) -> Request:
    learn = "off" if learning is Learning.NOTHING else "heuristic"
    return {
        "command": command,
        "call-id": call,
        "from-tag": CALLER_TAG,
        "sdp": sdp,
        # Without `port-latching` a party that moves would cost the other one its port.
        "flags": ["trust-address", "strict-source", "port-latching", f"endpoint-learning-{learn}"],
        # So that c= names its address even where the description given to it has none.
        "replace": ["origin", "zero-address"],
        "address-family": family,
        "ICE": "remove",
        "transport-protocol": "RTP/AVP",
        # A party that has RTCP on its RTP port need not have a partner that can do that.
        "rtcp-mux": ["demux"],
    }


def query(call: str) -> Request:
    """Ask for the counters of a call."""
    return {"command": "query", "call-id": call}


def delete(call: str) -> Request:
    """End a call at once; answered with its last counters."""
    return {"command": "delete", "call-id": call, "from-tag": CALLER_TAG, "delete-delay": 0}


def _text(value: Decoded | None) -> str:
    """What may stand in a log: printable, not too long."""
    if not isinstance(value, bytes):
        return ""
    text = value[: 4 * MAX_TEXT].decode(errors="replace")
    return "".join(char if char.isprintable() else " " for char in text)[:MAX_TEXT]
