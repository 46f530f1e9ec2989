"""The seven call flows of the manual's appendix A, played on a `Stage`.

Each function plays one and checks what both users must see; the end-to-end tests look closer at what it
returns, and the demo draws it. An AssertionError says what went wrong.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from peers.audio import packet_numbers
from peers.sightings import WITHIN, Sighting
from peers.sip_phone import PhoneResult
from peers.stage import Stage

CALLER = "15551234567"
"""The SIP user who calls alice."""
CALLER_JID_USER = CALLER[:10]
"""iChat takes ten characters at most."""
LOST_AT_THE_EDGES = 25
"""Packets that may still be under way when one side hangs up (half a second, on a very busy machine)."""
UNTIL_BOTH_TALK = 0.5
"""Seconds that may pass from a phone's ACK until iChat talks, on such a machine."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What one side sent and what the other received of it."""

    sender: str
    receiver: str
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class Played:
    """A flow that went as the manual says."""

    phone: PhoneResult
    sound: tuple[Sound, ...] = ()
    outcome: str = ""


async def ichat_calls_established(stage: Stage, talk: float = 1.0) -> Played:
    """iChat user to SIP user, established; the iChat user hangs up."""
    ringing = stage.phone.answer(ring=0.2)
    stage.ichat.call(stage.speed_dial)
    await stage.ichat.wait_for("vc:response", where=_accepted)
    await stage.ichat.wait_for("established")
    await asyncio.sleep(talk)
    call = stage.ichat.sip.call
    await stage.gateway.program.until_ready(lambda: call.received >= talk * 50 * 0.8, WITHIN)
    await stage.ichat.sip.hush()
    stage.ichat.sip.hang_up()
    await stage.ichat.wait_for("SIP 200 BYE")
    return _talked(stage, await ringing.result(), talk, "200, iChat hung up")


async def ichat_calls_refused(stage: Stage, status: int = 404, reason: str = "Not Found") -> Played:
    """iChat user to SIP user, SIP call error: `vc:response` without data, and no INVITE from iChat."""
    refusing = stage.phone.refuse(status, reason)
    stage.ichat.call(stage.speed_dial)
    await _refused(stage)
    return Played(await refusing.result(), outcome=f"{status} at the phone, refused at iChat")


async def ichat_abandons(stage: Stage) -> Played:
    """iChat user to SIP user, iChat user abandons in alerting: CANCEL, 200, 487, ACK."""
    ringing = stage.phone.ring()
    stage.ichat.call(stage.speed_dial)
    await ringing.until("SIP 180 INVITE", way="out")
    stage.ichat.cancel()
    return Played(await ringing.result(), outcome="cancelled at the phone")


async def sip_calls_established(stage: Stage, talk: float = 1.0) -> Played:
    """SIP user to iChat user, established; the SIP user hangs up."""
    stage.ichat.on_request = "accept"
    dialling = stage.phone.dial(stage.gateway.address, "alice", talk=talk + UNTIL_BOTH_TALK, caller=CALLER)
    await stage.ichat.wait_for("vc:request", where=lambda s: s.peer == stage.gateway.jid(CALLER_JID_USER))
    await stage.ichat.wait_for("established")
    await stage.ichat.wait_for("ended", within=talk + WITHIN)
    return _talked(stage, await dialling.result(), talk, "200, the phone hung up")


async def sip_calls_bad_jid(stage: Stage, user: str = "nosuchuser", status: int = 404) -> Played:
    """SIP user to iChat user, bad JID: 404."""
    dialling = stage.phone.dial_and_fail(stage.gateway.address, user, status)
    return Played(await dialling.result(), outcome=f"{status} at the phone")


async def sip_calls_declined(stage: Stage) -> Played:
    """SIP user to iChat user, iChat declined: 603, and no INVITE to iChat."""
    stage.ichat.on_request = "decline"
    dialling = stage.phone.dial_and_fail(stage.gateway.address, "alice", 603)
    await stage.ichat.wait_for("vc:request")
    result = await dialling.result()
    assert stage.ichat.sightings.count("SIP INVITE") == 0, "INVITE to an iChat that declined"
    return Played(result, outcome="603 at the phone")


async def sip_abandons(stage: Stage) -> Played:
    """SIP user to iChat user, SIP user abandons in alerting: `vc:cancel`, 200, 487."""
    stage.ichat.on_request = "never answer"
    dialling = stage.phone.dial_and_give_up(stage.gateway.address, "alice", ring=0.3)
    await stage.ichat.wait_for("vc:request")
    await stage.ichat.wait_for("vc:cancel")
    return Played(await dialling.result(), outcome="487 at the phone, vc:cancel at iChat")


FLOWS: tuple[tuple[str, Callable[[Stage], Awaitable[Played]]], ...] = (
    ("iChat user to SIP user - established call", ichat_calls_established),
    ("iChat user to SIP user - SIP call error", ichat_calls_refused),
    ("iChat user to SIP user - iChat user abandons in alerting", ichat_abandons),
    ("SIP user to iChat user - established call", sip_calls_established),
    ("SIP user to iChat user - bad iChat user JID", sip_calls_bad_jid),
    ("SIP user to iChat user - iChat declined", sip_calls_declined),
    ("SIP user to iChat user - SIP user abandons in alerting", sip_abandons),
)
"""In the manual's order, with its names."""


def _accepted(sighting: Sighting) -> bool:
    return sighting.fields["response"] == "0"


async def _refused(stage: Stage) -> None:
    response = await stage.ichat.wait_for("vc:response")
    assert response.fields["response"] == "1", response.text
    assert response.fields["connectData"] == "", response.text
    assert stage.ichat.sightings.count("SIP INVITE", "out") == 0


def _talked(stage: Stage, phone: PhoneResult, talk: float, outcome: str) -> Played:
    """Check the sound of an established call. The phone is an echo: it sent what it received."""
    call = stage.ichat.sip.call
    back = packet_numbers(call.stream, call.receiver.payloads, call.sent)
    intact = len(back)
    assert intact >= talk * 50 * 0.8, f"iChat sent {call.sent} packets in {talk} s, and {intact} came back"
    assert phone.echoed >= call.sent - LOST_AT_THE_EDGES, (
        f"of {call.sent} packets the phone got {phone.echoed}"
    )
    assert intact >= phone.echoed - LOST_AT_THE_EDGES, (
        f"of {phone.echoed} packets iChat got {intact} unchanged"
    )
    assert call.receiver.received == intact, "iChat received sound that nobody sent to it"
    assert back == list(range(back[0], back[0] + intact)), "sound is missing, or in disorder"
    sound = (
        Sound("iChat", "SIP phone", call.sent, phone.echoed),
        Sound("SIP phone", "iChat", phone.echoed, intact),
    )
    return Played(phone, sound, outcome)
