"""Recognisable audio: PCMU packets that name themselves, a sender, a counter, WAV files."""

import asyncio
import bisect
import hashlib
import math
import random
import struct
import wave
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

PACKET_TIME = 0.020
"""Seconds of sound in a packet."""
PACKET_BYTES = 160
"""20 ms of 8 kHz PCMU."""


def packet_payload(stream: str, number: int) -> bytes:
    """The sound of packet `number` of the stream of that name: noise, different for each packet."""
    return hashlib.shake_128(f"{stream}/{number}".encode()).digest(PACKET_BYTES)


def is_rtp(datagram: bytes) -> bool:
    """RFC 7983: version 2 in the first byte, and not RTCP."""
    return len(datagram) >= 12 and 128 <= datagram[0] < 192 and not is_rtcp(datagram)


def is_rtcp(datagram: bytes) -> bool:
    """RFC 5761: version 2 and a packet type from 192 to 223."""
    return len(datagram) >= 8 and 128 <= datagram[0] < 192 and 192 <= datagram[1] < 224


class AudioSender:
    """Sends a stream of PCMU packets, one every 20 ms, and a sender report every second, till stopped."""

    def __init__(
        self, name: str, send_rtp: Callable[[bytes], None], send_rtcp: Callable[[bytes], None]
    ) -> None:
        self.name = name
        self.sent = 0
        """RTP packets."""
        self.reports_sent = 0
        """RTCP packets."""
        self.ssrc = random.getrandbits(32)
        self._sequence = random.getrandbits(16)
        self._timestamp = random.getrandbits(32)
        self._send_rtp = send_rtp
        self._send_rtcp = send_rtcp

    def next_packet(self) -> bytes:
        """The next RTP packet; the caller sends it."""
        header = struct.pack(
            "!BBHII",
            0x80,
            0x80 if self.sent == 0 else 0,  # the marker says: a talk spurt begins; payload type 0 is PCMU
            (self._sequence + self.sent) & 0xFFFF,
            (self._timestamp + PACKET_BYTES * self.sent) & 0xFFFFFFFF,
            self.ssrc,
        )
        packet = header + packet_payload(self.name, self.sent)
        self.sent += 1
        return packet

    def next_report(self) -> bytes:
        """An RTCP sender report (RFC 3550 section 6.4.1) without report blocks."""
        self.reports_sent += 1
        timestamp = (self._timestamp + PACKET_BYTES * self.sent) & 0xFFFFFFFF
        return struct.pack(
            "!BBHIQIII", 0x80, 200, 6, self.ssrc, 0, timestamp, self.sent, self.sent * PACKET_BYTES
        )

    async def run(self, packets: int | None = None) -> None:
        """Send `packets` of them, or until cancelled. Keeps the pace even when a wake-up is late."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number in count() if packets is None else range(packets):
            self._send_rtp(self.next_packet())
            if number % 50 == 10:
                self._send_rtcp(self.next_report())
            await asyncio.sleep(begin + (number + 1) * PACKET_TIME - loop.time())


class AudioReceiver:
    """Counts what arrives and tells of which stream it is, bit for bit."""

    def __init__(self) -> None:
        self.received = 0
        """RTP packets with sound in them."""
        self.empty = 0
        """RTP packets without payload (the gateway's keep-alives)."""
        self.reports = 0
        """RTCP packets."""
        self.payload_types: Counter[int] = Counter()
        self.senders: Counter[tuple[str, int]] = Counter()
        self.sources: Counter[int] = Counter()
        """SSRC."""
        self.sequence: list[int] = []
        self.payloads: list[bytes] = []

    def take(self, datagram: bytes, sender: tuple[str, int]) -> None:
        """A datagram for which `is_rtp` or `is_rtcp` is true."""
        self.senders[sender] += 1
        if is_rtcp(datagram):
            self.reports += 1
            return
        csrcs = datagram[0] & 0x0F
        payload = datagram[12 + 4 * csrcs :]
        if not payload:
            self.empty += 1
            return
        self.received += 1
        self.payload_types[datagram[1] & 0x7F] += 1
        sequence, _, ssrc = struct.unpack_from("!HII", datagram, 2)
        self.sources[ssrc] += 1
        self.sequence.append(sequence)
        self.payloads.append(payload)

    def intact(self, stream: str, sent: int) -> int:
        """How many of the packets received are, bit for bit, among the first `sent` of that stream."""
        of_stream = {packet_payload(stream, number) for number in range(sent)}
        return sum(payload in of_stream for payload in self.payloads)

    def in_order(self) -> bool:
        """Whether each sequence number follows on the one before it (no loss, no repetition)."""
        return all((b - a) & 0xFFFF == 1 for a, b in zip(self.sequence, self.sequence[1:], strict=False))


# --- G.711 and WAV ----------------------------------------------------------------------------------------


def _expand(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 0x07)) - 0x84
    return -magnitude if code & 0x80 else magnitude


PCMU_TO_LINEAR = tuple(_expand(code) for code in range(256))
"""G.711 mu-law: the 16-bit sample that each code stands for."""
_LINEAR_TO_PCMU = {sample: code for code, sample in reversed(list(enumerate(PCMU_TO_LINEAR)))}
_LEVELS = sorted(_LINEAR_TO_PCMU)


def samples_of(pcmu: bytes) -> list[int]:
    """The samples that the codes stand for."""
    return [PCMU_TO_LINEAR[code] for code in pcmu]


def pcmu_of(samples: list[int]) -> bytes:
    """The codes of samples that `samples_of` yields; both zeros become the same one."""
    return bytes(_LINEAR_TO_PCMU[sample] for sample in samples)


def speech(seconds: float) -> list[int]:
    """Something that sounds like talking, the same every time: samples that PCMU carries exactly.

    Syllables of a voiced sound (a pitch that rises and falls, three formants) between hisses and breaths.
    """
    noise = random.Random(3551)
    sounds: list[int] = []
    phase = 0.0
    for number in range(round(seconds * 8000)):
        at = number / 8000
        beat = at * 4 % 1.0  # four syllables a second
        phase += (120 + 25 * math.sin(1.7 * at)) / 8000
        if int(at * 4) % 7 == 6:  # a breath
            loud, hiss = 0.01, 1.0
        else:
            loud, hiss = math.sin(math.pi * beat) ** 2, 1.0 if beat < 0.2 else 0.05
        voice = sum(
            math.sin(2 * math.pi * harmonic * phase) / (1 + ((harmonic * 130 - formant) / 150) ** 2)
            for formant in (500 + 200 * math.sin(at), 1500, 2500)
            for harmonic in (1, round(formant / 130) - 1, round(formant / 130), round(formant / 130) + 1)
        )
        sounds.append(round(7000 * loud * ((1 - hiss) * voice / 2 + hiss * noise.uniform(-0.3, 0.3))))
    return [_nearest(sound) for sound in sounds]


def _nearest(sound: int) -> int:
    above = bisect.bisect_left(_LEVELS, sound)
    return min(_LEVELS[max(0, above - 1) : above + 1], key=lambda level: abs(level - sound))


def stream_pcmu(stream: str, packets: int) -> bytes:
    """The sound of the first packets of a stream."""
    return b"".join(packet_payload(stream, number) for number in range(packets))


def packet_numbers(stream: str, sound: Iterable[bytes], packets: int = 1000) -> list[int]:
    """Which of the first packets of a stream these are, in the order heard; others are left out.

    The two zeros of PCMU count as one, because decoding makes one of them.
    """
    known = {_one_zero(packet_payload(stream, number)): number for number in range(packets)}
    return [known[payload] for packet in sound if (payload := _one_zero(packet)) in known]


def packets_of(samples: list[int]) -> list[bytes]:
    """The packets that were decoded into these samples."""
    codes = pcmu_of(samples)
    return [codes[at : at + PACKET_BYTES] for at in range(0, len(codes), PACKET_BYTES)]


def _one_zero(payload: bytes) -> bytes:
    return payload.replace(b"\x7f", b"\xff")


def write_wav(path: Path, samples: list[int]) -> None:
    """An 8 kHz mono 16-bit WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


def read_wav(path: Path) -> list[int]:
    """The samples of such a file; reads one whose length fields were never filled in, too."""
    frames = path.read_bytes()[44:]
    frames = frames[: len(frames) // 2 * 2]
    return list(struct.unpack(f"<{len(frames) // 2}h", frames))
