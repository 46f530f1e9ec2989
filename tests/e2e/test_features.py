"""What else SIP phones do: 100rel, UPDATE, session timers, redirections, forks, with SIPp and bad wires.

The scenarios in `tests/peers/sipp/` check the messages; here is who calls, and what iChat notices: nothing.
"""

import asyncio

import pytest

from peers.bad_wire import BadWire, Manner
from peers.sip_phone import PhoneResult
from peers.stage import Stage

pytestmark = pytest.mark.e2e

# COMPAT SIPp: it plays a scenario from top to bottom and knows no transactions, so some losses would confuse
# it alone: `spare` names what is not lost then. All of them, in any order, are in tests/sip/test_chaos.py.
MANNERS = pytest.mark.parametrize("manner", list(Manner))
# COMPAT SIPp: a second ACK looks to it like the next one of its scenario.
NOT_DOUBLED = pytest.mark.parametrize("manner", [Manner.DELIVERS, Manner.LOSES])


async def calls_ichat(
    stage: Stage, scenario: str, manner: Manner = Manner.DELIVERS, spare: tuple[str, ...] = ()
) -> PhoneResult:
    """The phone calls alice over a wire of that manner."""
    async with BadWire(stage.phone.port, stage.gateway.sip_port, manner, spare) as wire:
        return await stage.phone.play(scenario, wire.towards_gateway, "alice", wire=wire).result(30.0)


async def called_by_ichat(
    stage: Stage,
    scenario: str,
    manner: Manner = Manner.DELIVERS,
    spare: tuple[str, ...] = (),
    talk: float = 0.5,
    after: str = "",
) -> PhoneResult:
    """Alice calls over a wire of that manner, talks `talk` seconds from the message `after` on, hangs up.

    Not before the phone has an ACK for its 200, which may have been lost: SIPp would take BYE for a mistake.
    """
    async with BadWire(stage.phone.port, stage.gateway.sip_port, manner, spare) as wire:
        run = stage.phone.play(scenario, wire=wire)
        stage.ichat.call(stage.speed_dial)
        await stage.ichat.wait_for("established", within=30.0)
        await run.until("SIP ACK", within=30.0)
        if after:
            await run.until(after, within=30.0)
        await asyncio.sleep(talk)
        stage.ichat.sip.hang_up()
        return await run.result(within=60.0)


def once(stage: Stage) -> None:
    """Alice's client had one INVITE only, sent or received."""
    assert [s.kind for s in stage.ichat.sightings.all].count("SIP INVITE") == 1


# --- the phone calls --------------------------------------------------------------------------------------


@MANNERS
async def test_a_phone_that_requires_100rel(stage: Stage, manner: Manner) -> None:
    # COMPAT SIPp: it takes any 200 for the one that it waits for, so that to PRACK had better come in time.
    patience, stage.ichat.answer_time = stage.ichat.answer_time, 1.2
    try:
        result = await calls_ichat(stage, "uac_prack", manner, spare=("SIP 200 PRACK",))
    finally:
        stage.ichat.answer_time = patience
    ringing = result.first("in", "SIP 180 INVITE")
    assert ringing["require"] == "100rel"
    assert result.first("out", "SIP PRACK")["rack"] == f"{ringing['rseq']} 1 INVITE"
    once(stage)


@MANNERS
async def test_hold_and_resume_by_update(stage: Stage, manner: Manner) -> None:
    result = await calls_ichat(stage, "uac_update", manner)
    answers = [m.sip for m in result.messages if m.way == "in" and m.sip.kind == "SIP 200 UPDATE"]
    by_number = {answer["cseq"]: answer for answer in answers}
    assert "a=recvonly" in by_number["2 UPDATE"].body
    assert "a=sendrecv" in by_number["3 UPDATE"].body
    assert by_number["3 UPDATE"]["session-expires"] == "1800;refresher=uac"
    once(stage)


@MANNERS
async def test_late_offers(stage: Stage, manner: Manner) -> None:
    result = await calls_ichat(stage, "uac_late_offer", manner, spare=("SIP ACK",))
    offers = {m.sip["cseq"]: m.sip for m in result.messages if m.sip.kind == "SIP 200 INVITE"}
    assert all("m=audio" in offers[number].body for number in ("1 INVITE", "2 INVITE"))
    once(stage)


async def test_a_phone_whose_session_interval_is_too_small(stage: Stage) -> None:
    result = await calls_ichat(stage, "uac_short_timer")
    assert result.first("in", "SIP 422 INVITE")["min-se"] == "90"
    assert result.first("in", "SIP 200 INVITE")["session-expires"] == "90;refresher=uac"
    once(stage)


async def test_a_phone_that_vanishes_is_hung_up(stage: Stage) -> None:
    result = await calls_ichat(stage, "uac_vanish")
    assert result.first("in", "SIP BYE")["reason"].startswith("SIP;cause=408")
    await stage.ichat.wait_for("ended")


# --- the phone is called ----------------------------------------------------------------------------------


@MANNERS
async def test_early_answer_update_and_reliable_ringing(stage: Stage, manner: Manner) -> None:
    result = await called_by_ichat(stage, "uas_early", manner, spare=("SIP 200 PRACK",))
    racks = {m.sip["rack"] for m in result.messages if m.way == "in" and m.sip.kind == "SIP PRACK"}
    assert racks == {"1 1 INVITE", "2 1 INVITE"}
    assert "m=audio" in result.first("in", "SIP 200 UPDATE").body
    assert result.echoed > 10
    once(stage)


@NOT_DOUBLED
async def test_a_call_that_is_redirected(stage: Stage, manner: Manner) -> None:
    result = await called_by_ichat(stage, "uas_redirect", manner, spare=("SIP ACK",))
    invites = {m.sip["cseq"]: m.sip for m in result.messages if m.sip.kind == "SIP INVITE"}
    first, second = invites["1 INVITE"], invites["2 INVITE"]
    assert second.uri == f"sip:moved@127.0.0.1:{stage.phone.port}"
    assert (second["call-id"], second["to"]) == (first["call-id"], first["to"])
    once(stage)


@NOT_DOUBLED
async def test_a_phone_that_wants_a_longer_session_interval(stage: Stage, manner: Manner) -> None:
    result = await called_by_ichat(
        stage, "uas_longer_timer", manner, spare=("SIP ACK",), after="SIP 200 UPDATE"
    )
    invites = {m.sip["cseq"]: m.sip for m in result.messages if m.sip.kind == "SIP INVITE"}
    assert [invites[n]["session-expires"] for n in ("1 INVITE", "2 INVITE")] == ["1800", "3600"]
    assert result.first("in", "SIP 200 UPDATE")["session-expires"] == "3600;refresher=uac"
    once(stage)


async def test_two_phones_answer_at_once(stage: Stage) -> None:
    result = await called_by_ichat(stage, "uas_fork")
    byes = {m.sip["to"]: m.sip for m in result.messages if m.way == "in" and m.sip.kind == "SIP BYE"}
    assert {("second" in to, bye["reason"]) for to, bye in byes.items()} == {
        (True, 'SIP;cause=200;text="Call completed elsewhere"'),
        (False, ""),
    }
    once(stage)


async def test_a_refresh_that_collides_is_sent_again(stage: Stage) -> None:
    result = await called_by_ichat(stage, "uas_glare", talk=20.0)
    invites = {m.sip["cseq"]: m for m in reversed(result.messages) if m.sip.kind == "SIP INVITE"}
    first, second, third = (invites[f"{n} INVITE"] for n in (1, 2, 3))
    assert first.sip.body == second.sip.body == third.sip.body
    assert 2.1 <= third.at - second.at < 4.3
    once(stage)


async def test_nothing_of_this_was_an_error(stage: Stage) -> None:
    assert [e.whole for e in stage.gateway.events() if e.level in ("ERR", "CRIT")] == []
