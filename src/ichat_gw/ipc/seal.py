"""Messages to authenticated datagrams and back.

A datagram is, in network byte order:

    offset  size  field
    0       2     magic, `iG`
    2       1     version of vocabulary and framing (`messages.VERSION`)
    3       1     who sent it: `G` the gateway, `C` the connector
    4       1     kind: `D` carries a message, `A` only acknowledges
    5       8     packet: number of this datagram, from 1, never used twice under one key
    13      8     sequence: number of the message it carries, from 1; 0 in an `A`
    21      8     expected: the sequence number the sender wants next; it has all before it
    29      8     received: bit i set means that it also has sequence number expected + 1 + i
    37      2     length of the payload
    39      n     payload: the message in msgpack, empty in an `A`
    39 + n  16    MAC: keyed BLAKE2b (RFC 7693) over all before it, personalised with the direction

The key is 32 random bytes that the gateway makes for each start of the connector, so nothing recorded
under an earlier key is valid, and a datagram sent back to its sender fails by its direction. The first
three fields and the place of the MAC are the same in every version, so that a peer of another version can
be told from a forger.
"""

import enum
import hmac
import struct
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from ichat_gw.errors import GatewayError
from ichat_gw.ipc.messages import VERSION, Hello, Message

KEY_SIZE = 32
"""Bytes of a key."""
MAC_SIZE = 16
MAX_DATAGRAM = 60_000
"""Bytes; loopback carries 65,507 in one UDP datagram, some are left for the system's own limits."""

_MAGIC = b"iG"
_HEADER = struct.Struct(">2sBcc4QH")
MAX_PAYLOAD = MAX_DATAGRAM - _HEADER.size - MAC_SIZE
"""Bytes of one encoded message."""


class Role(enum.Enum):
    """Which end of the channel a program is; the value is its byte in the header."""

    GATEWAY = b"G"
    CONNECTOR = b"C"

    @property
    def peer(self) -> "Role":
        """The other end."""
        return Role.CONNECTOR if self is Role.GATEWAY else Role.GATEWAY


class BadKey(GatewayError):
    """The key is not 32 bytes long."""


class DatagramError(GatewayError):
    """A datagram we drop; `reason` is the short word under which it is counted."""

    reason = "unknown"


class TruncatedDatagram(DatagramError):
    """The datagram is shorter or longer than its header says."""

    reason = "truncated"


class UnknownDatagram(DatagramError):
    """The datagram is not of this protocol, or carries something that is not in the vocabulary."""

    reason = "unknown"


class ForgedDatagram(DatagramError):
    """The MAC is wrong: made, or changed on its way, by somebody without the key of this run."""

    reason = "forged"


class WrongDirection(DatagramError):
    """The datagram says that our own end sent it: somebody sent it back to us."""

    reason = "direction"


class DifferentVersion(DatagramError):
    """The peer has the key and speaks another version: the two programs are of different releases."""

    reason = "version"

    def __init__(self, theirs: int) -> None:
        super().__init__(
            f"the other program speaks version {theirs} of the IPC protocol, this one version {VERSION}; "
            "install ichat-gw and ichat-gw-jc from the same release, and restart ichat-gw"
        )
        self.theirs = theirs
        """The peer's version; ours is `messages.VERSION`."""


class SendRefused(GatewayError):
    """A message that the channel did not take; it was not and will not be sent."""


class MessageTooLarge(SendRefused):
    """The message does not fit a datagram when encoded (`MAX_PAYLOAD` bytes)."""


class MessageNotEncodable(SendRefused):
    """The message holds what the encoding cannot carry, such as half of a surrogate pair."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The content of a datagram; the fields are described in the table above."""

    packet: int
    sequence: int
    """0: carries no message."""
    expected: int
    received: int
    payload: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(message: Message) -> bytes:
    """`message` in msgpack; raises `MessageTooLarge` or `MessageNotEncodable`."""
    try:
        payload = _encoder.encode(message)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise MessageNotEncodable(f"{type(message).__name__} cannot be encoded: {error}") from error
    if len(payload) > MAX_PAYLOAD:
        raise MessageTooLarge(
            f"{type(message).__name__} is {len(payload)} bytes long when encoded; "
            f"a datagram between the two programs carries at most {MAX_PAYLOAD}"
        )
    return payload


def decode(payload: bytes) -> Message:
    """The message in `payload`; raises `UnknownDatagram` when it is none of the vocabulary."""
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnknownDatagram(f"not a message of the vocabulary: {error}") from error


def check_hello(hello: Hello) -> None:
    """Raise `DifferentVersion` when the peer's first message names another version than ours."""
    if hello.version != VERSION:
        raise DifferentVersion(hello.version)


class Seal:
    """Closes and opens the datagrams of one end of a channel, under one key."""

    def __init__(self, key: bytes, role: Role) -> None:
        if len(key) != KEY_SIZE:
            raise BadKey(f"an IPC key has {KEY_SIZE} bytes, this one {len(key)}")
        self._key = key
        self._ours = role.value
        self._theirs = role.peer.value

    def _mac(self, sender: bytes, covered: bytes) -> bytes:
        return blake2b(
            covered, digest_size=MAC_SIZE, key=self._key, person=b"ichat-gw ipc " + sender
        ).digest()

    def seal(self, frame: Frame) -> bytes:
        """The datagram for `frame`, whose payload came from `encode`."""
        kind = b"D" if frame.sequence else b"A"
        covered = (
            _HEADER.pack(
                _MAGIC,
                VERSION,
                self._ours,
                kind,
                frame.packet,
                frame.sequence,
                frame.expected,
                frame.received,
                len(frame.payload),
            )
            + frame.payload
        )
        return covered + self._mac(self._ours, covered)

    def open(self, datagram: bytes) -> Frame:
        """The frame in `datagram`; raises a `DatagramError` that says why it is none for us."""
        if not datagram.startswith(_MAGIC):
            raise UnknownDatagram("does not begin with the magic bytes of this protocol")
        if len(datagram) < _HEADER.size + MAC_SIZE:
            raise TruncatedDatagram(f"{len(datagram)} bytes are too few for a header and a MAC")
        covered, mac = datagram[:-MAC_SIZE], datagram[-MAC_SIZE:]
        _, version, sender, kind, packet, sequence, expected, received, length = _HEADER.unpack_from(covered)
        if version != VERSION:
            if not hmac.compare_digest(mac, self._mac(self._theirs, covered)):
                raise ForgedDatagram("the MAC is wrong")
            raise DifferentVersion(version)
        if sender == self._ours:
            raise WrongDirection("was sent by this end itself")
        payload = covered[_HEADER.size :]
        if length != len(payload):
            raise TruncatedDatagram(f"{len(payload)} bytes of payload where the header says {length}")
        if not hmac.compare_digest(mac, self._mac(self._theirs, covered)):
            raise ForgedDatagram("the MAC is wrong")
        if sender != self._theirs or kind != (b"D" if sequence else b"A") or packet == 0 or expected == 0:
            raise UnknownDatagram("a header field has a value that this version does not know")
        return Frame(packet, sequence, expected, received, payload)
