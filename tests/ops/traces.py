"""A trace with one entry of every kind, for what shows traces."""

from collections.abc import Callable

from ichat_gw.ops.trace import CallTrace, Lane, Protocol, TraceEntry
from ichat_gw.ops.verdict import Finding, Verdict

US, PHONE, CLIENT = ("192.0.2.1", 5070), ("192.0.2.7", 5060), ("192.0.2.9", 16402)
US6, PHONE6 = ("2001:db8::1", 5070), ("2001:db8::7", 5062)
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 8000 RTP/AVP 0\r\n"


def request(method: str, transport: str = "UDP", sdp: str = "") -> bytes:
    """A SIP request that a dissector finds nothing wrong with."""
    head = (
        f"{method} sip:bob@192.0.2.7 SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} 192.0.2.1:5070;branch=z9hG4bK{method}\r\n"
        f"From: <sip:alice@192.0.2.1>;tag=1\r\nTo: <sip:bob@192.0.2.7>\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\n"
        "Max-Forwards: 70\r\nContact: <sip:alice@192.0.2.1:5070>\r\n"
    )
    kind = "Content-Type: application/sdp\r\n" if sdp else ""
    return f"{head}{kind}Content-Length: {len(sdp)}\r\n\r\n{sdp}".encode()


def response(status: int, reason: str, sdp: str = "") -> bytes:
    """The answer to it."""
    kind = "Content-Type: application/sdp\r\n" if sdp else ""
    return (
        f"SIP/2.0 {status} {reason}\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKINVITE\r\n"
        "From: <sip:alice@192.0.2.1>;tag=1\r\nTo: <sip:bob@192.0.2.7>;tag=2\r\nCall-ID: c1\r\n"
        "CSeq: 1 INVITE\r\n"
        f"Contact: <sip:bob@192.0.2.7>\r\n{kind}Content-Length: {len(sdp)}\r\n\r\n{sdp}"
    ).encode()


STANZA = (
    b"<iq type='set' id='1' to='bob@example.com/x' from='72@gw.example.com'>"
    b"<query xmlns='apple:iq:vc:request'><isAudioOnly>1</isAudioOnly></query></iq>"
)


def everything() -> CallTrace:
    """Every protocol, lane, transport and family."""

    def entry(
        protocol: Protocol, source: Lane, target: Lane, summary: str, content: bytes = b"", **more: object
    ) -> TraceEntry:
        at = 1_800_000_000.0 + len(entries) / 8
        return TraceEntry(at, protocol, source, target, summary, content, **more)  # type: ignore[arg-type]

    def sip(
        source: Lane, summary: str, content: bytes, transport: str, theirs: tuple[str, int]
    ) -> TraceEntry:
        ours = US6 if ":" in theirs[0] else US
        ends = (
            (Lane.GATEWAY, source, ours, theirs)
            if summary.startswith(">")
            else (source, Lane.GATEWAY, theirs, ours)
        )
        return entry(
            Protocol.SIP,
            ends[0],
            ends[1],
            summary.strip("> "),
            content,
            source_address=ends[2],
            target_address=ends[3],
            transport=transport,
        )

    entries: list[TraceEntry] = []
    between = Lane.CONNECTOR, Lane.GATEWAY
    relay = Lane.RELAY, Lane.GATEWAY
    hears = "RTCP: what the callee hears"
    makers: list[Callable[[], TraceEntry]] = [
        lambda: entry(Protocol.CONNECTOR, *between, "notifyIChatCallRequest", fields={"to": "72"}),
        lambda: entry(Protocol.XMPP, Lane.CONNECTOR, Lane.USER, "iq set apple:iq:vc:request", STANZA),
        lambda: entry(Protocol.XMPP, Lane.USER, Lane.CONNECTOR, "iq result", b"<iq type='result' id='1'/>"),
        lambda: entry(
            Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, "began", fields={"by": "xmpp:a@b", "x": ""}
        ),
        lambda: sip(Lane.PHONE, "> INVITE sip:bob@192.0.2.7", request("INVITE", sdp=SDP), "UDP", PHONE),
        lambda: sip(Lane.PHONE, "200 OK (INVITE)", response(200, "OK", SDP), "UDP", PHONE),
        lambda: sip(Lane.OTHER, "> OPTIONS sip:bob", request("OPTIONS", "TCP"), "TCP", ("192.0.2.8", 5060)),
        lambda: sip(Lane.OTHER, "> INFO sip:bob", request("INFO", "TLS"), "TLS", ("192.0.2.8", 5061)),
        lambda: sip(Lane.PHONE, "> OPTIONS sip:bob", request("OPTIONS"), "UDP", PHONE6),
        lambda: sip(Lane.PHONE, "OPTIONS sip:bob", request("OPTIONS", "TCP"), "TCP", PHONE6),
        lambda: sip(Lane.USER, "> INVITE sip:user", request("INVITE", sdp=SDP), "UDP", CLIENT),
        lambda: entry(Protocol.MEDIA, Lane.GATEWAY, Lane.RELAY, "offer of the caller", SDP.encode()),
        lambda: entry(Protocol.MEDIA, *relay, "counters of the caller", fields={"received": 5}),
        lambda: entry(Protocol.RTCP, Lane.PHONE, Lane.RELAY, hears, fields={"loss": 0.5}),
    ]
    for make in makers:
        entries.append(make())
    verdict = Verdict(Finding("hung-up", "bob hung up after 9 s", "nothing"))
    return CallTrace(
        "n-1",
        "xmpp:alice@example.com",
        "sip:bob@192.0.2.7",
        entries[0].at,
        entries[-1].at,
        verdict,
        tuple(entries),
        2,
    )


def hostile(text: str) -> CallTrace:
    """All that others can write is `text`."""
    content = text.encode("utf-8", "backslashreplace")
    entries = (
        TraceEntry(
            1.0, Protocol.SIP, Lane.PHONE, Lane.GATEWAY, text, content, PHONE, US, "UDP", {text: text}
        ),
        TraceEntry(2.0, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, text, b"", fields={"x": text}),
        TraceEntry(3.0, Protocol.XMPP, Lane.USER, Lane.CONNECTOR, text, content),
    )
    return CallTrace(text, text, text, 0.0, None, Verdict(Finding("busy", text, text)), entries)
