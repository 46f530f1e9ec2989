"""Cuts the bytes of a TCP or TLS connection into SIP messages (RFC 3261 sections 7.5 and 18.3).

A stream has no datagrams: where a message ends stands in its Content-Length, which is mandatory here.
Between messages there may be line ends; two of them in a row are a ping, to be answered with one
(RFC 5626 section 4.4.1). A stream in which that place is lost cannot be read any further, so every fault
is final: answer what can be answered, and close.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

from ichat_gw.addressing.sip_grammar import WS, decimal
from ichat_gw.errors import GatewayError
from ichat_gw.sip.message import MAX_HEADERS, MAX_MESSAGE, Request, parse, response_to, stamp_via

MAX_HEAD = 32_768
"""Bytes of start line and headers, the empty line included."""
MAX_BODY = 32_767
"""Bytes of a body; head and body together are what `ichat_gw.sip.message` takes."""

PONG = b"\r\n"
"""The answer to a ping."""


@dataclass(frozen=True, slots=True)
class Whole:
    """One message, from its start line to the last byte of its body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Two line ends between messages: answer with `PONG`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The stream cannot be read any further: send `refusal(fault, ...)`, if there is one, and close."""

    text: str
    """What is wrong, fit for a Reason-Phrase."""
    status: int | None
    """What to answer if it was a request; None: this is no SIP."""
    head: bytes = b""
    """The head of the message, as far as it came."""


Frame: TypeAlias = Whole | Ping | Fault


class StreamFramer:
    """One connection's incoming bytes; `longest` is how many a message may have.

    After a `Fault` everything else is ignored.
    """

    def __init__(self, longest: int = MAX_MESSAGE) -> None:
        self._longest = longest
        self._longest_head = min(longest, MAX_HEAD)
        self._buffer = bytearray()
        self._scanned = 0
        """How much of the buffer holds no end of a head."""
        self._needed = 0
        """Bytes of the whole message, once its head is there; 0 before."""
        self._line_ends = 0
        """Line ends since the last message."""
        self._broken = False

    @property
    def partial(self) -> bool:
        """Tell whether a message has begun and not ended."""
        return bool(self._buffer) and not self._broken

    def feed(self, data: bytes) -> list[Frame]:
        """Take in what arrived; return what is complete now, in order. The split never matters."""
        frames: list[Frame] = []
        if self._broken:
            return frames
        self._buffer += data
        while self._buffer:
            frame = self._next()
            if frame is None:
                break
            frames.append(frame)
            if isinstance(frame, Fault):
                self._broken = True
                self._buffer.clear()
        return frames

    def _next(self) -> Frame | None:
        if not self._needed:
            if self._buffer[0] in b"\r\n":
                return self._line_end()
            fault = self._read_head()
            if fault is not None:
                return fault
        if not self._needed or len(self._buffer) < self._needed:
            return None
        message = bytes(self._buffer[: self._needed])
        del self._buffer[: self._needed]
        self._needed = self._scanned = self._line_ends = 0
        return Whole(message)

    def _line_end(self) -> Frame | None:
        """Take the line ends in front of a message, up to the next ping."""
        while self._buffer[:2] == b"\r\n":
            del self._buffer[:2]
            self._line_ends += 1
            if self._line_ends == 2:
                self._line_ends = 0
                return Ping()
        if not self._buffer or self._buffer == b"\r":
            return None
        return Fault("Bad Line End", None) if self._buffer[0] in b"\r\n" else self._next()

    def _read_head(self) -> Fault | None:
        """Find the end of the head, and in it how long the message is."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3), self._longest_head)
        self._scanned = min(len(buffer), self._longest_head)
        head = bytes(buffer[: end + 4 if end >= 0 else self._longest_head])
        line, complete, _ = head.partition(b"\r\n")
        if complete and not _is_start_line(line):
            return Fault("Not SIP", None)
        if end < 0:
            return Fault("Headers Too Long", 513, head) if len(buffer) >= self._longest_head else None
        if head.count(b"\r\n") > MAX_HEADERS + 2:
            return Fault("Too Many Headers", 513, head)
        lengths = _lengths(head)
        if len(lengths) != 1:
            text = "Two Content-Lengths" if lengths else "Missing Content-Length Header"
            return Fault(text, 400, head)
        length = decimal(lengths.pop(), 10**9)
        if length is None:
            return Fault("Bad Content-Length Header", 400, head)
        if length > MAX_BODY:
            return Fault("Body Too Long", 413, head)
        if end + 4 + length > self._longest:
            return Fault("Message Too Large", 513, head)
        self._needed = end + 4 + length
        return None


_is_request_line = re.compile(
    rb"[A-Za-z0-9\-.!%*_+`'~]{1,64} [^\r\n]* SIP/\d+\.\d+[ \t]*", re.IGNORECASE
).fullmatch
_join_folds = re.compile(r"\r\n[ \t]+").sub


def _lengths(head: bytes) -> set[str]:
    lines = _join_folds(" ", head.decode("latin-1")).split("\r\n")
    fields = [line.partition(":") for line in lines[1:]]
    return {value.strip(WS) for name, _, value in fields if name.strip(WS).lower() in ("content-length", "l")}


def _is_start_line(line: bytes) -> bool:
    return line[:4].upper() == b"SIP/" or _is_request_line(line) is not None


def refusal(fault: Fault, remote: tuple[str, int], to_tag: str) -> bytes | None:
    """Write the response to the request in which a stream broke; None when there is nobody to answer."""
    if fault.status is None:
        return None
    lines = fault.head.partition(b"\r\n\r\n")[0].split(b"\r\n")
    if not fault.head.endswith(b"\r\n\r\n"):
        lines.pop()  # it was cut somewhere
    start, *headers = lines or [b""]
    kept = [line for line in headers if _key_of(line) in _ECHOED]
    head = b"\r\n".join([start, *kept, b"Content-Length: 0", b"", b""])
    try:
        request = parse(head)
        if not isinstance(request, Request) or request.method == "ACK":
            return None
        stamp_via(request, *remote)
        return response_to(request, fault.status, fault.text, to_tag).to_bytes()
    except GatewayError:
        return None


_ECHOED = (b"via", b"v", b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq")


def _key_of(line: bytes) -> bytes:
    return line.partition(b":")[0].strip(b" \t").lower()
