"""Transfers with phones that are not ours: the user of iChat goes on talking, to somebody else."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers.audio import samples_of, stream_pcmu
from peers.baresip import Baresip
from peers.flows import LOST_AT_THE_EDGES
from peers.plain_sip import PlainSip
from peers.sip_phone import PhoneRun, SippPhone
from peers.stage import SPEED_DIAL, Stage

pytestmark = pytest.mark.e2e
TALK = 1.5


@pytest.fixture
def carol(tmp_path: Path) -> Iterator[SippPhone]:
    """Whom calls are transferred to: another phone, with an echo for a voice."""
    phone = SippPhone(tmp_path / "carol")
    yield phone
    phone.stop()


def at(phone: SippPhone) -> str:
    return f"sip:carol@127.0.0.1:{phone.port}"


async def talks_with(stage: Stage, run: PhoneRun) -> None:
    """Alice and this phone hear each other for a while; then alice hangs up, and the phone is told."""
    await run.until("SIP ACK")
    call = stage.ichat.sip.call
    before = call.sent
    await asyncio.sleep(TALK)
    stage.ichat.sip.hang_up()
    await stage.ichat.wait_for("SIP 200 BYE")
    result = await run.result()
    said = call.sent - before
    assert said >= TALK * 50 * 0.8
    assert result.echoed >= said - 3 * LOST_AT_THE_EDGES
    # What the phone echoed came back, on the connection that was there all the time.
    echoed = call.receiver.intact(call.stream, call.sent)
    assert echoed >= result.echoed - LOST_AT_THE_EDGES
    assert invites(stage) == 1, "iChat is told nothing of it"


def invites(stage: Stage) -> int:
    return sum(stage.ichat.sightings.count("SIP INVITE", way) for way in ("in", "out"))


def tag(value: str) -> str:
    found = re.search(r";tag=([^;]+)", value)
    assert found, value
    return found[1]


def dialog(ok: PlainSip) -> str:
    """The call that this 200 from the gateway set up, as a Replaces that is sent to the gateway names it."""
    return f"{ok['call-id']};to-tag={tag(ok['to'])};from-tag={tag(ok['from'])}"


async def test_baresip_is_called_and_transfers(stage: Stage, carol: SippPhone, tmp_path: Path) -> None:
    phone = Baresip(
        tmp_path, SPEED_DIAL, sound=samples_of(stream_pcmu("baresip", 600)), port=stage.phone.port
    )
    with phone:
        stage.ichat.call(stage.speed_dial)
        await stage.ichat.wait_for("established")
        await asyncio.sleep(0.5)
        ringing = carol.answer(ring=0.3)
        phone.transfer(at(carol))
        await talks_with(stage, ringing)
    assert len(phone.heard()) > 0


async def test_baresip_calls_and_transfers(stage: Stage, carol: SippPhone, tmp_path: Path) -> None:
    with Baresip(tmp_path, "15557654321", sound=samples_of(stream_pcmu("baresip", 600))) as phone:
        phone.dial(f"sip:alice@{stage.gateway.address}")
        await stage.ichat.wait_for("established")
        ringing = carol.answer()
        phone.transfer(at(carol))
        await talks_with(stage, ringing)


async def test_a_transfer_as_rfc_3515_has_it(stage: Stage, carol: SippPhone) -> None:
    ringing = carol.answer(ring=0.3)
    dialling = stage.phone.dial_and_transfer(stage.gateway.address, "alice", at(carol))
    await talks_with(stage, ringing)
    phone = await dialling.result()
    assert [kind for kind in phone.kinds if "NOTIFY" in kind or "REFER" in kind or "BYE" in kind] == [
        "out SIP REFER", "in SIP 202 REFER",
        *["in SIP NOTIFY", "out SIP 200 NOTIFY"] * 3,
        "in SIP BYE", "out SIP 200 BYE",
    ]  # fmt: skip
    invite = (await ringing.result()).first("in", "SIP INVITE")
    assert invite["referred-by"] == f"<sip:15551234567@127.0.0.1:{stage.phone.port}>"


async def test_a_transfer_that_fails_falls_back(stage: Stage, carol: SippPhone) -> None:
    refusing = carol.refuse(486, "Busy Here")
    dialling = stage.phone.dial_and_fail_to_transfer(stage.gateway.address, "alice", at(carol), 486, talk=1.0)
    await stage.ichat.wait_for("established")
    await refusing.result()
    await stage.ichat.wait_for("ended")
    phone = await dialling.result()
    call = stage.ichat.sip.call
    assert call.sent >= 2 * 50 * 0.8
    assert phone.echoed >= call.sent - LOST_AT_THE_EDGES, "all the time, before and after"
    assert call.receiver.intact(call.stream, call.sent) >= phone.echoed - LOST_AT_THE_EDGES


async def test_a_transfer_to_elsewhere_is_refused(stage: Stage) -> None:
    dialling = stage.phone.dial_and_transfer(stage.gateway.address, "alice", "sip:carol@elsewhere.example")
    await dialling.until("SIP 403 REFER")
    stage.ichat.sip.hang_up()
    await dialling.outcome()
    (line,) = [event.whole for event in stage.gateway.events() if event.event == "turned away"]
    assert line["setting"] == "AllowedTransferDomains"


async def test_an_attended_transfer(stage: Stage, carol: SippPhone) -> None:
    """The phone has a call with carol already, which she is asked to give up for this one (RFC 5589 7.3)."""
    ringing = carol.answer_replaced("theirCall.x;to-tag=1;from-tag=2")
    target = f"{at(carol)}?Replaces=theirCall%40x%3Bto-tag%3D1%3Bfrom-tag%3D2"
    dialling = stage.phone.dial_and_transfer(stage.gateway.address, "alice", target)
    await talks_with(stage, ringing)
    await dialling.result()


async def test_somebody_takes_the_call_over(stage: Stage, carol: SippPhone) -> None:
    """What the target of an attended transfer between two phones does to us: INVITE with Replaces."""
    dialling = stage.phone.dial_and_wait(stage.gateway.address, "alice")
    await stage.ichat.wait_for("established")
    ok = await dialling.until("SIP 200 INVITE")
    await asyncio.sleep(0.3)
    taking = carol.take_over(stage.gateway.address, "alice", dialog(ok))
    await dialling.until("SIP BYE")
    call = stage.ichat.sip.call
    before = call.sent
    await asyncio.sleep(TALK)
    stage.ichat.sip.hang_up()
    result = await taking.result()
    await dialling.result()
    assert result.echoed >= call.sent - before - 3 * LOST_AT_THE_EDGES
    assert call.sent - before >= TALK * 50 * 0.8
    assert invites(stage) == 1


async def test_somebody_picks_up_a_call_that_rings_elsewhere(stage: Stage, carol: SippPhone) -> None:
    ringing = stage.phone.ring()
    stage.ichat.call(stage.speed_dial)
    said = await ringing.until("SIP 180 INVITE", way="out")
    replaces = f"{said['call-id']};to-tag={tag(said['from'])};from-tag={tag(said['to'])}"
    picking_up = carol.take_over(stage.gateway.address, "whoever", f"{replaces};early-only")
    assert "in SIP CANCEL" in (await ringing.result()).kinds
    await stage.ichat.wait_for("established")
    await asyncio.sleep(TALK)
    stage.ichat.sip.hang_up()
    call, result = stage.ichat.sip.call, await picking_up.result()
    assert call.sent >= TALK * 50 * 0.8
    assert result.echoed >= call.sent - LOST_AT_THE_EDGES
    assert call.receiver.intact(call.stream, call.sent) >= result.echoed - LOST_AT_THE_EDGES
    assert invites(stage) == 1


async def test_a_call_that_is_not_there_is_not_taken_over(stage: Stage, carol: SippPhone) -> None:
    taking = carol.take_over(stage.gateway.address, "alice", "nobodys;to-tag=1;from-tag=2")
    await taking.until("SIP 481 INVITE")
    taking.stop()


async def test_nothing_of_this_was_an_error(stage: Stage) -> None:
    assert [e.whole for e in stage.gateway.events() if e.level in ("ERR", "CRIT")] == []
