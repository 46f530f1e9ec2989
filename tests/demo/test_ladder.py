from demo.ladder import CONNECTOR, GATEWAY, ICHAT, PHONE, Rung, begun_since, draw, rungs
from peers.gateway import LogEvent
from peers.plain_sip import build, parse
from peers.sightings import Sighting
from peers.sip_phone import PhoneMessage


def test_rungs_come_from_all_witnesses_in_the_order_of_time() -> None:
    invite = parse(build("INVITE sip:5551234@127.0.0.1 SIP/2.0", [("CSeq", "1 INVITE")]))
    found = rungs(
        [
            Sighting(10.0, "out", "vc:request", "5551234@gw", "<iq/>"),
            Sighting(
                10.4, "in", "vc:response", "5551234@gw", "<iq/>", {"response": "0", "connectData": "00"}
            ),
            Sighting(10.5, "out", "SIP INVITE", "127.0.0.1:5070", "INVITE"),
            Sighting(10.6, "in", "SIP 200 BYE", "127.0.0.1:5070", "..."),
            Sighting(10.1, "in", "presence", "5551234@gw", "<presence/>"),
        ],
        [
            LogEvent(10.2, "DEBUG", "ipc", "in", "connector", "notifyIChatCallRequest", "", {}),
            LogEvent(10.2, "DEBUG", "ipc", "in", "connector", "log", "", {}),
            LogEvent(10.2, "DEBUG", "sip", "in", "127.0.0.1:1", "INVITE", "", {}),
        ],
        [PhoneMessage(10.3, "in", invite)],
    )
    assert found == [
        Rung(10.0, ICHAT, CONNECTOR, "vc:request"),
        Rung(10.2, CONNECTOR, GATEWAY, "notifyIChatCallRequest"),
        Rung(10.3, GATEWAY, PHONE, "INVITE"),
        Rung(10.4, CONNECTOR, ICHAT, "vc:response 0 (data)"),
        Rung(10.5, ICHAT, GATEWAY, "INVITE"),
        Rung(10.6, GATEWAY, ICHAT, "200 OK (BYE)"),
    ]


def test_a_call_before_is_left_out() -> None:
    def event(at: float, call: str) -> LogEvent:
        return LogEvent(at, "DEBUG", "ipc", "in", "connector", "notifyIChatCallCancelled", call, {})

    events = [event(1.0, "h-1"), event(5.0, "h-1"), event(5.1, "h-2"), event(5.2, "")]
    assert begun_since(4.0, events) == [event(5.1, "h-2"), event(5.2, "")]


def test_arrows_point_and_span() -> None:
    lines = draw(
        [
            Rung(5.0, ICHAT, CONNECTOR, "vc:request"),
            Rung(5.0123, GATEWAY, ICHAT, "200 OK"),
            Rung(6.0, GATEWAY, PHONE, "notifyIChatCallProceeding and more"),
        ]
    )
    assert lines[0].split() == ["iChat", "user", "connector", "gateway", "SIP", "user"]
    assert lines[1].startswith("  +0.000 s │──────── vc:request ────────▶│      ")
    assert lines[2].startswith("  +0.012 s │◀────────────────────────────┼────────── 200 OK ───────────│  ")
    assert lines[3].endswith("    │─ notifyIChatCallProceeding─▶│")
    assert {len(line) for line in lines[1:]} == {102}


def test_nothing_to_draw() -> None:
    assert draw([]) == ["(no message travelled)"]
