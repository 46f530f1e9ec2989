"""Just enough of RTP and RTCP headers (RFC 3550) to tell the two from each other and from all else."""

from enum import Enum

MAX_PACKET = 2_048
"""The longest datagram relayed, in bytes."""

NOT_RTP = 0xC0
"""A second byte that no RTP packet has: payload type 64 with the marker."""


class Kind(Enum):
    """What a datagram on a media port is."""

    RTP = "rtp"
    RTCP = "rtcp"


def classify(packet: bytes | bytearray | memoryview) -> Kind | None:
    """What `packet` is; None: neither RTP nor RTCP.

    By version, by the second byte as RFC 5761 4 divides it (192..223 are RTCP packet types; RTP does not use
    payload types 64..95), and by whether the lengths that its header states fit into it.
    """
    size = len(packet)
    if size < 8 or size > MAX_PACKET or packet[0] >> 6 != 2:
        return None
    if 192 <= packet[1] <= 223:
        return Kind.RTCP if 4 * (packet[2] * 256 + packet[3] + 1) <= size else None
    if 64 <= packet[1] & 0x7F <= 95:
        return None
    header = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        header += 4
        if header <= size:
            header += 4 * (packet[header - 2] * 256 + packet[header - 1])
    return Kind.RTP if header <= size else None


def second_bytes(renumbered: tuple[tuple[int, int], ...] = ()) -> bytes:
    """What becomes of each possible second byte of an RTP packet, as a table of 256.

    `renumbered` are pairs (payload type in, payload type out), 0..127; the others stay, and so does the
    marker bit. `NOT_RTP` stands where an RTP packet has no such byte.
    """
    new = dict(renumbered)
    return bytes(
        NOT_RTP if 64 <= byte & 0x7F <= 95 else byte & 0x80 | new.get(byte & 0x7F, byte & 0x7F)
        for byte in range(256)
    )


UNCHANGED = second_bytes()
"""The table that renumbers nothing."""

NEVER_RTP = bytes([NOT_RTP]) * 256
"""The table of a port where no RTP belongs."""
