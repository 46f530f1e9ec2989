"""The capture: Wireshark's own dissectors find every message, and nothing wrong with any frame."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ichat_gw.ops.pcap import checksum, pcap
from ichat_gw.ops.trace import CallTrace, Lane, Protocol, TraceEntry
from ops.traces import SDP, everything, hostile, request
from peers.program import find


def dissected(path: Path, *fields: str, shown: str = "") -> list[list[str]]:
    """What tshark says of each frame."""
    wanted = [word for field in fields for word in ("-e", field)]
    checks = [word for each in ("ip", "udp", "tcp") for word in ("-o", f"{each}.check_checksum:TRUE")]
    found = subprocess.run(
        [find("tshark", "tshark"), "-r", path, *checks, "-Y", shown, "-T", "json", *wanted],
        capture_output=True,
        check=True,
    )
    frames = json.loads(found.stdout)
    return [[",".join(frame["_source"]["layers"].get(field, [])) for field in fields] for frame in frames]


def test_wireshark_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "call.pcap"
    path.write_bytes(pcap(everything()))
    sip = dissected(path, "sip.Method", "sip.Status-Code", "udp.dstport", "tcp.dstport", shown="sip")
    assert sip == [
        ["INVITE", "", "5060", ""],
        ["", "200", "5070", ""],
        ["OPTIONS", "", "", "5060"],
        ["INFO", "", "", "5060"],
        ["OPTIONS", "", "5062", ""],
        ["OPTIONS", "", "", "5070"],
        ["INVITE", "", "16402", ""],
    ]
    stanzas = dissected(path, "xmpp.type", "xmpp.xmlns", shown="xmpp")
    assert stanzas == [["set", "apple:iq:vc:request"], ["result", ""]]
    assert [kind for (kind,) in dissected(path, "sdp.media", shown="sdp")] == ["audio 8000 RTP/AVP 0"] * 3
    wrong = "_ws.malformed or ip.checksum.status==0 or udp.checksum.status==0 or tcp.checksum.status==0"
    assert dissected(path, "frame.number", shown=wrong) == []
    assert dissected(path, "frame.number", shown="_ws.expert.severity>=6291456") == []
    assert dissected(path, "frame.time_epoch", shown="frame.number==1")[0][0].startswith(
        ("1800000000.125", "2027-")
    )


def test_a_long_message_over_tcp_is_put_together_again(tmp_path: Path) -> None:
    path = tmp_path / "call.pcap"
    long = request("MESSAGE", "TCP", sdp=f"{SDP}a=x:{'x' * 50_000}\r\n")
    ends = ("192.0.2.7", 5060), ("192.0.2.1", 5070)
    entry = TraceEntry(0.0, Protocol.SIP, Lane.PHONE, Lane.GATEWAY, "", long, *ends, "TCP")
    path.write_bytes(pcap(CallTrace("", "", "", 0.0, None, None, (entry, entry))))
    assert dissected(path, "sip.Method", shown="sip") == [["MESSAGE"], ["MESSAGE"]]
    assert dissected(path, "frame.number", shown="_ws.malformed or tcp.analysis.flags") == []


@pytest.mark.parametrize(
    "ends",
    [
        (None, None),
        (("2001:db8::7", 5060), ("192.0.2.1", 5070)),
        (("a name", 5060), ("192.0.2.1", 99_999)),
    ],
)
def test_addresses_that_cannot_be_in_a_packet(
    ends: tuple[tuple[str, int] | None, tuple[str, int] | None], tmp_path: Path
) -> None:
    path = tmp_path / "call.pcap"
    entry = TraceEntry(0.0, Protocol.SIP, Lane.PHONE, Lane.GATEWAY, "", request("BYE"), *ends, "UDP")
    path.write_bytes(pcap(CallTrace("", "", "", 0.0, None, None, (entry,))))
    assert dissected(path, "sip.Method", shown="sip") == [["BYE"]]


def test_the_checksum_of_rfc_1071() -> None:
    assert checksum(bytes((0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7))) == ~0xDDF2 & 0xFFFF
    assert checksum(b"\x01") == ~0x0100 & 0xFFFF


@given(st.text() | st.just("x" * 100_000))
@settings(max_examples=20)
def test_whatever_was_sent_can_be_written(text: str) -> None:
    assert pcap(hostile(text)).startswith(b"\xd4\xc3\xb2\xa1\x02\0\x04\0")
