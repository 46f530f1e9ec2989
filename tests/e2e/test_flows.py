"""The seven flows of the manual's appendix A, compared with the traces of the original gateway.

`flows` checks that the right messages arrive at all; here is what an iChat client can see in them.
"""

import time
from xml.etree import ElementTree

import pytest

from e2e.conftest import EVERY_SERVER
from peers import flows
from peers.plain_sip import PlainSip, addr_uri, display_name, parse, sdp_audio
from peers.sightings import Sighting
from peers.stage import Stage

pytestmark = pytest.mark.e2e
XMPP_SERVERS = EVERY_SERVER


def children(sighting: Sighting) -> list[tuple[str, str | None]]:
    """The children of the query, in order, with their text."""
    query = ElementTree.fromstring(sighting.text)[0]
    return [(child.tag.rpartition("}")[2], child.text) for child in query]


def gateway_blob(stage: Stage) -> str:
    """What the original offers when it is bound to one address: one record, named eth0."""
    return (
        "00000000"
        + b"eth0".hex().ljust(32, "0")
        + "7f000001".ljust(32, "0")
        + (f"{stage.gateway.sip_port:04x}" + "0000")
    )


def sip_of(stage: Stage, way: str, kind: str) -> list[PlainSip]:
    """The SIP messages of that kind at iChat."""
    return [parse(s.text.encode()) for s in stage.ichat.sightings.all if (s.way, s.kind) == (way, kind)]


def order(stage: Stage, *kinds: str) -> list[str]:
    """Those of `kinds` that alice saw or sent, in order."""
    seen = [f"{s.way} {s.kind}" for s in stage.ichat.sightings.all]
    return [kind for kind in seen if kind in kinds]


# --- iChat calls SIP ----------------------------------------------------------------------------------------


async def test_ichat_calls_sip_established(stage: Stage) -> None:  # trace 10
    began = time.time()
    played = await flows.ichat_calls_established(stage)

    ours = [event for event in stage.gateway.events(began) if event.event == "ipc"]
    call = {event.summary: event.whole.get("call") for event in ours}
    assert call["notifyIChatCallRequest"] == call["proceedingIChatCall"] is not None

    at_phone = played.phone.first("in", "SIP INVITE")
    assert at_phone.uri == f"sip:{flows_dial(stage)}@127.0.0.1:{stage.phone.port}"
    assert addr_uri(at_phone["to"]) == at_phone.uri
    assert (display_name(at_phone["from"]), addr_uri(at_phone["from"])) == ("alice", f"sip:{stage.ichat.jid}")
    assert addr_uri(at_phone["contact"]).startswith(f"sip:alice@{stage.gateway.address}")
    assert sdp_audio(at_phone.body)[2] == [0]
    assert [kind for kind in played.phone.kinds if "100" not in kind] == [
        "in SIP INVITE", "out SIP 180 INVITE", "out SIP 200 INVITE", "in SIP ACK", "in SIP BYE",
        "out SIP 200 BYE",
    ]  # fmt: skip

    response = next(s for s in stage.ichat.sightings.all if s.kind == "vc:response")
    stanza = ElementTree.fromstring(response.text)
    assert stanza.get("from") == stage.speed_dial
    assert (stanza.get("to"), stanza.get("type")) == (stage.ichat.full_jid, "set")
    assert children(response) == [
        ("response", "0"),
        ("connectData", gateway_blob(stage)),
        ("VCProtocolVersion", "1"),
    ]

    sent, (answer,) = sip_of(stage, "out", "SIP INVITE")[0], sip_of(stage, "in", "SIP 200 INVITE")
    assert (answer["call-id"], answer["cseq"], answer["via"].split(";")[1]) == (
        sent["call-id"], "1 INVITE", sent["via"].split(";")[1],
    )  # fmt: skip
    assert answer["from"] == sent["from"]
    assert display_name(answer["to"]) == stage.speed_dial
    assert addr_uri(answer["contact"]) == f"sip:user@{stage.gateway.address}"
    media = [line.split() for line in answer.body.split("\r\n") if line.startswith("m=")]
    assert [(kind, port == "0") for kind, port, *_ in media] == [("m=audio", False), ("m=video", True)]
    assert sdp_audio(answer.body)[2] == [0]
    assert order(
        stage, "out vc:request", "in vc:response", "out SIP INVITE", "in SIP 200 INVITE", "out SIP ACK"
    ) == ["out vc:request", "in vc:response", "out SIP INVITE", "in SIP 200 INVITE", "out SIP ACK"]


def flows_dial(stage: Stage) -> str:
    return stage.speed_dial.partition("@")[0]


@pytest.mark.parametrize(("status", "reason"), [(404, "Not Found"), (486, "Busy Here"), (503, "Down")])
async def test_ichat_calls_sip_refused(stage: Stage, status: int, reason: str) -> None:  # trace 12
    played = await flows.ichat_calls_refused(stage, status, reason)
    assert played.phone.kinds[-1] == "in SIP ACK"
    response = next(s for s in stage.ichat.sightings.all if s.kind == "vc:response")
    assert children(response) == [("response", "1"), ("connectData", None), ("VCProtocolVersion", "1")]


async def test_ichat_abandons_in_alerting(stage: Stage) -> None:  # trace 14
    played = await flows.ichat_abandons(stage)
    assert [kind for kind in played.phone.kinds if "100" not in kind] == [
        "in SIP INVITE", "out SIP 180 INVITE", "in SIP CANCEL", "out SIP 200 CANCEL", "out SIP 487 INVITE",
        "in SIP ACK",
    ]  # fmt: skip
    invite, cancel = played.phone.first("in", "SIP INVITE"), played.phone.first("in", "SIP CANCEL")
    assert (cancel.branch, cancel.uri, cancel.cseq) == (invite.branch, invite.uri, invite.cseq)


async def test_ichat_abandons_at_once(stage: Stage) -> None:
    """The cancel overtakes the handle of the call: it must be remembered."""
    ringing = stage.phone.keep_trying()
    stage.ichat.call(stage.speed_dial)
    stage.ichat.cancel()
    # Either no INVITE ever left, or it is cancelled; the phone must not ring on.
    try:
        await ringing.until("SIP INVITE", within=1.0)
    except AssertionError:
        return
    await ringing.result()


# --- SIP calls iChat ----------------------------------------------------------------------------------------


async def test_sip_calls_ichat_established(stage: Stage) -> None:  # traces 01 and 18
    played = await flows.sip_calls_established(stage)

    request = next(s for s in stage.ichat.sightings.all if s.kind == "vc:request")
    stanza = ElementTree.fromstring(request.text)
    assert stanza.get("from") == stage.gateway.jid("1555123456")  # ten characters of 15551234567
    assert (stanza.get("to"), stanza.get("type")) == (stage.ichat.full_jid, "set")
    assert children(request) == [
        ("VCNewCallerIPPortData", gateway_blob(stage)),
        ("isAudioOnly", "1"),
        ("extSIPPort", "0"),
        ("extIPAddr", "127.0.0.1"),
        ("VCProtocolVersion", "1"),
    ]
    before = stage.ichat.sightings.all[: stage.ichat.sightings.all.index(request)]
    control = [s for s in before if s.way == "in" and s.peer == stage.gateway.control]
    assert [(s.fields["type"], s.fields["priority"]) for s in control] == [("available", "0")]
    assert not any(key.startswith("caps") for key in control[0].fields)

    (invite,) = sip_of(stage, "in", "SIP INVITE")
    here = f"127.0.0.1:{stage.ichat.sip.local[1]}"
    assert invite.uri == f"sip:user@{here}"
    assert addr_uri(invite["to"]) == f"sip:user@{here}"
    assert (display_name(invite["from"]), addr_uri(invite["from"])) == ("iChat-gw", "sip:ichat-gw@127.0.0.1")
    assert stage.gateway.address in invite["contact"]
    assert invite["user-agent"].startswith("ichat-gw")
    host, _, formats, _ = sdp_audio(invite.body)
    assert (host, formats) == ("127.0.0.1", [0])
    assert "m=video" not in invite.body
    (ack,) = sip_of(stage, "in", "SIP ACK")
    (bye,) = sip_of(stage, "in", "SIP BYE")
    assert ack.uri.startswith("sip:user@")
    assert bye.cseq > invite.cseq

    assert [kind for kind in played.phone.kinds if "100" not in kind] == [
        "out SIP INVITE", "in SIP 180 INVITE", "in SIP 200 INVITE", "out SIP ACK", "out SIP BYE",
        "in SIP 200 BYE",
    ]  # fmt: skip
    answer = played.phone.first("in", "SIP 200 INVITE")
    assert sdp_audio(answer.body)[2] == [0]


# In trace 03 the original says 480 after 5 s. Prosody answers no probe for any of these.
@pytest.mark.parametrize("user", ["nosuchuser", "carol", "a%20b"])
async def test_sip_calls_a_bad_jid(stage: Stage, user: str) -> None:
    await flows.sip_calls_bad_jid(stage, user)


async def test_sip_calls_and_ichat_declines(stage: Stage) -> None:  # trace 06
    await flows.sip_calls_declined(stage)
    assert stage.ichat.sightings.count("vc:cancel") == 0


@pytest.mark.parametrize("manner", ["decline with data", "decline without connectData"])
async def test_all_ways_to_decline(stage: Stage, manner: str) -> None:  # trace 05
    stage.ichat.on_request = manner  # type: ignore[assignment]
    await stage.phone.dial_and_fail(stage.gateway.address, "alice", 603).result()
    assert stage.ichat.sightings.count("SIP INVITE") == 0


async def test_sip_calls_and_ichat_is_busy_after_all(stage: Stage) -> None:
    stage.ichat.sip.manner = "busy"
    await stage.phone.dial_and_fail(stage.gateway.address, "alice", 486).result()


async def test_sip_calls_with_an_unusable_answer(stage: Stage) -> None:
    """A newer iChat's binary property list instead of the records we understand."""
    ours, stage.ichat.blob = stage.ichat.blob, b"bplist00".hex()
    try:
        await stage.phone.dial_and_fail(stage.gateway.address, "alice", 603).result()
    finally:
        stage.ichat.blob = ours


async def test_sip_abandons_in_alerting(stage: Stage) -> None:  # trace 07
    await flows.sip_abandons(stage)
    cancel = next(s for s in stage.ichat.sightings.all if s.kind == "vc:cancel")
    stanza = ElementTree.fromstring(cancel.text)
    assert stanza.get("from") == stage.gateway.jid("1555123456")
    assert (stanza.get("to"), stanza.get("type")) == (stage.ichat.full_jid, "set")
    assert children(cancel) == [("VCProtocolVersion", "1")]
    assert stage.ichat.sightings.count("SIP INVITE") == 0


async def test_sip_abandons_while_ichats_sip_rings(stage: Stage) -> None:
    stage.ichat.sip.manner = "ring"
    dialling = stage.phone.dial_and_give_up(stage.gateway.address, "alice", ring=0.5)
    await stage.ichat.wait_for("SIP CANCEL")
    await stage.ichat.wait_for("ended")
    await dialling.result()


async def test_ids_are_never_used_twice(stage: Stage) -> None:
    ids = []
    for _ in range(2):
        await flows.sip_abandons(stage)
        ids += [
            ElementTree.fromstring(s.text).get("id")
            for s in stage.ichat.sightings.all
            if s.way == "in" and s.kind.startswith("vc:")
        ]
        await stage.settle()
    assert len(ids) == len(set(ids)) == 4


async def test_nothing_of_this_was_an_error(stage: Stage) -> None:
    assert [e.whole for e in stage.gateway.events() if e.level in ("ERR", "CRIT")] == []
