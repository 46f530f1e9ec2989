"""SIP as plain text, for peers that must share no code with the gateway: lines in, lines out.

Only what a simulated peer needs; it trusts its input as far as a test may, and keeps every message whole so
that a test can look at it.
"""

import re
import secrets
from dataclasses import dataclass

_COMPACT = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
    "c": "content-type",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlainSip:
    """A message taken apart."""

    text: str
    start: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def is_request(self) -> bool:
        """Whether it is a request."""
        return not self.start.startswith("SIP/2.0 ")

    @property
    def method(self) -> str:
        """The method; of a response the one in CSeq."""
        return self.start.split(" ")[0] if self.is_request else self["cseq"].split()[1]

    @property
    def status(self) -> int:
        """The status of a response; 0 of a request."""
        return 0 if self.is_request else int(self.start.split(" ")[1])

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1]

    @property
    def kind(self) -> str:
        """`SIP INVITE` or `SIP 200 INVITE`."""
        return f"SIP {self.method}" if self.is_request else f"SIP {self.status} {self.method}"

    @property
    def cseq(self) -> int:
        """The number in CSeq."""
        return int(self["cseq"].split()[0])

    @property
    def branch(self) -> str:
        """The branch of the topmost Via."""
        return parameter(self["via"], "branch")

    def __getitem__(self, name: str) -> str:
        """The first header of that name (any case); "" when there is none."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    def every(self, name: str) -> list[str]:
        """All headers of that name."""
        return [value for key, value in self.headers if key == name.lower()]


def parse(datagram: bytes) -> PlainSip:
    """Take a message apart; raises ValueError when it does not look like one."""
    text = datagram.decode("utf-8", "replace")
    head, gap, body = text.partition("\r\n\r\n")
    start, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    if not gap or "SIP/2.0" not in start:
        raise ValueError(f"not SIP: {start[:80]!r}")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.append((_COMPACT.get(name, name), value.strip()))
    return PlainSip(text, start, tuple(headers), body)


def build(start: str, headers: list[tuple[str, str]], body: str = "") -> bytes:
    """Put a message together; Content-Length is added."""
    lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body.encode())}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def parameter(value: str, name: str) -> str:
    """A `;name=value` parameter of a header, "" when missing."""
    found = re.search(rf";\s*{re.escape(name)}=([^;,>\s]+)", value, re.IGNORECASE)
    return found.group(1) if found else ""


def display_name(value: str) -> str:
    """The display name of a To or From, without quotes."""
    return value.partition("<")[0].strip().strip('"')


def addr_uri(value: str) -> str:
    """The URI of a To, From or Contact."""
    found = re.search(r"<([^>]*)>", value)
    return found.group(1) if found else value.partition(";")[0].strip()


def new_branch() -> str:
    """A Via branch."""
    return "z9hG4bK" + secrets.token_hex(8)


def sdp_audio(sdp: str) -> tuple[str, int, list[int], int]:
    """Where a description wants audio: host, port, payload types, RTCP port (port + 1 unless it says so)."""
    host, port, types, rtcp, in_audio = "", 0, list[int](), 0, False
    for line in sdp.split("\r\n"):
        if line.startswith("m="):
            media, number, _, *formats = line[2:].split()
            in_audio = media == "audio" and port == 0
            if in_audio:
                port, types = int(number), [int(f) for f in formats]
        elif line.startswith("c=") and (in_audio or not host):
            host = line.split()[2]
        elif line.startswith("a=rtcp:") and in_audio:
            rtcp = int(line[len("a=rtcp:") :].split()[0])
    return host, port, types, rtcp or port + 1
