"""What is remembered of calls: every message in order, and nothing for ever."""

import pytest

from app.test_gateway_sessions import Hand
from app.world import COMPONENT, CONTROL, EPOCH, World
from ichat_gw.addressing.translation import TranslationRules
from ichat_gw.app.tracing import REFUSED_AT_ONCE, CallKept, TraceKept, Tracing
from ichat_gw.call.leg import Reoffer
from ichat_gw.ops.trace import CallTrace, Lane, Protocol, Recorded, TraceBook

ALICE = "alice@jabber.localhost"


def trace_of(world: World, number: int = -1) -> CallTrace:
    """The trace of a call that is over and saved."""
    return world.saved[number].trace()


def ladder(trace: CallTrace, *protocols: Protocol) -> list[str]:
    """Who said what to whom."""
    return [
        f"{entry.source} > {entry.target}: {entry.summary}"
        for entry in trace.entries
        if entry.protocol in protocols
    ]


def test_every_message_of_a_call_in_its_order() -> None:
    world = World()
    world.alice.dial("5551234")
    world.run(2.0)
    world.phone.hang_up()
    world.run(30.0)
    trace = trace_of(world)
    assert (trace.caller, trace.callee) == (f"xmpp:{ALICE}", "sip:5551234@127.0.0.2")
    assert ladder(trace, Protocol.SIP, Protocol.CONNECTOR) == [
        "connector > gateway: notifyIChatCallRequest",
        "gateway > connector: proceedingIChatCall",
        "gateway > phone: INVITE sip:5551234@127.0.0.2",
        "phone > gateway: 100 Trying (INVITE)",
        "phone > gateway: 180 Ringing (INVITE)",
        "phone > gateway: 200 OK (INVITE)",
        "gateway > phone: ACK sip:5551234@127.0.0.2:5060",
        "gateway > connector: acceptIChatCall",
        "user > gateway: INVITE sip:user@127.0.0.1:5070",
        "gateway > user: 100 Trying (INVITE)",
        "gateway > user: 200 OK (INVITE)",
        "user > gateway: ACK sip:user@127.0.0.1:5070",
        "phone > gateway: BYE sip:alice@127.0.0.1:5070",
        "gateway > phone: 200 OK (BYE)",
        "gateway > user: BYE sip:user@127.0.1.1:16402",
        "user > gateway: 200 OK (BYE)",
    ]
    assert trace.entries[0].at <= trace.entries[-1].at
    assert trace.lanes == [Lane.USER, Lane.CONNECTOR, Lane.GATEWAY, Lane.RELAY, Lane.PHONE]


def test_sip_has_its_addresses_and_every_byte() -> None:
    world = World()
    world.phone.dial("alice")
    world.run(1.0)
    journal = next(iter(world.tracing.book.live))
    invite = next(entry for entry in journal.trace().entries if entry.protocol is Protocol.SIP)
    assert invite.content.startswith(b"INVITE sip:alice@127.0.0.1:5070 SIP/2.0\r\n")
    assert invite.content.endswith(b"a=rtpmap:8 PCMA/8000\r\n")
    assert (invite.source_address, invite.target_address) == (("127.0.0.2", 5060), ("127.0.0.1", 5070))
    assert invite.transport == "UDP"
    assert invite.at == EPOCH + 1.001


def test_states_and_what_the_relay_was_asked() -> None:
    world = World()
    world.phone.dial("alice")
    world.run(2.0)
    world.phone.hang_up()
    world.run(30.0)
    *shown, verdict = ladder(trace_of(world), Protocol.STATE, Protocol.MEDIA)
    assert verdict.startswith(
        "gateway > gateway: verdict: the caller 15551234567@127.0.0.2 hung up after 1.7 s"
    )
    assert shown == [
        "gateway > gateway: call began",
        "gateway > relay: could the callee be offered audio?",
        "relay > gateway: yes",
        "gateway > gateway: calling",
        "gateway > gateway: ringing",
        # Now that it is known where her client is, she is offered audio at the address that leads there.
        "gateway > relay: offer of the caller",
        "relay > gateway: our description",
        "gateway > gateway: connecting",
        "gateway > relay: answer of the callee",
        "relay > gateway: our description",
        "gateway > gateway: answered",
        "gateway > gateway: talking",
        "gateway > gateway: over",
        "gateway > relay: release",
        "gateway > gateway: call over",
        "relay > gateway: counters of the caller",
        "relay > gateway: counters of the callee",
    ]


def test_the_counters_are_asked_for_now_and_then_and_before_each_change() -> None:
    world = World()
    session = world.phone.dial("alice")
    world.run(2.0)
    world.talk(world.phone, 20.0)
    world.run(6.0)
    world.phone.tell(session, Reoffer(world.phone.sdp + "a=sendonly\r\n"))
    world.run(1.0)
    watched = next(iter(world.tracing.calls))
    assert [round(sample.at - EPOCH, 1) for sample in watched.samples] == [6.3, 9.0]
    assert [sample.caller.received for sample in watched.samples] == [166, 301]
    assert world.tracing.watched(watched.call) is watched
    world.phone.hang_up()
    world.run(30.0)
    assert not list(world.tracing.calls)


def test_what_rtcp_says_is_an_entry() -> None:
    from app.test_verdicts import both_speak, phone_calls, report

    world = World()
    phone_calls(world)
    both_speak(world)
    report(world, lost=50)
    world.phone.hang_up()
    world.run(30.0)
    (entry,) = (entry for entry in trace_of(world).entries if entry.protocol is Protocol.RTCP)
    assert (entry.source, entry.summary) == (Lane.USER, "RTCP: what the callee hears")
    assert entry.fields["lost"] == 50


def test_a_call_that_is_refused_at_the_door_has_a_trace_too() -> None:
    world = World(rules=TranslationRules())
    world.phone.dial("alice")
    world.run(60.0)
    assert ladder(trace_of(world), Protocol.SIP) == [
        "phone > gateway: INVITE sip:alice@127.0.0.1:5070",
        "gateway > phone: 100 Trying (INVITE)",
        "gateway > phone: 404 Not Found (INVITE)",
        "phone > gateway: ACK sip:alice@127.0.0.1:5070",
    ]
    assert world.records[0].record.verdict == "no-rule"


def test_of_many_refused_calls_some_are_only_counted() -> None:
    world = World(rules=TranslationRules())
    for number in range(REFUSED_AT_ONCE + 10):
        world.phone.dial("alice", caller=str(number))
    world.run(60.0)
    assert len(world.records) == REFUSED_AT_ONCE
    assert world.tracing.refused_left_out == 10


def test_a_transfer_shows_the_new_party_and_the_record_names_him() -> None:
    from app.transferring import CAROL, Carol, TransferringPhone

    world = World(transfer_hosts=frozenset({CAROL[0]}))
    world.phone = phone = TransferringPhone(world)
    Carol(world)
    session = phone.dial("alice")
    world.run(2.0)
    assert phone.transfers(session)
    world.run(5.0)
    world.alice.hang_up()
    world.run(30.0)
    sip = ladder(trace_of(world), Protocol.SIP)
    assert "gateway > other: INVITE sip:carol@127.0.0.3" in sip
    # Once he has the place, what is still said to who had it is said to another.
    assert [line for line in sip if ": BYE" in line] == [
        "gateway > other: BYE sip:15551234567@127.0.0.2:5060",
        "user > gateway: BYE sip:ichat-gw@127.0.0.1:5070",
        "gateway > phone: BYE sip:carol@127.0.0.3:5060",
    ]
    record = world.records[0].record
    assert (record.transfers, record.caller) == (1, "sip:carol@127.0.0.3")


def test_records_say_what_was_counted() -> None:
    world = World()
    world.phone.dial("alice")
    world.run(2.0)
    world.talk(world.phone, 3.0)
    world.run(4.0)
    world.phone.hang_up()
    world.run(30.0)
    record = world.records[0].record
    assert record.codec == "PCMU/8000, PCMA/8000"
    assert (record.packets_from_caller, record.packets_to_callee) == (150, 150)
    assert (record.began, record.rang) == (EPOCH + 1.001, EPOCH + 1.003)
    assert (record.user, record.phone, record.ended_by, record.cause) == (
        ALICE,
        "127.0.0.2",
        "caller",
        "HANGUP",
    )


# --- stanzas ----------------------------------------------------------------------------------------------


def test_stanzas_belong_to_the_call_of_their_two_jids() -> None:
    world = World()
    contact = f"1555123456@{COMPONENT}"
    world.phone.dial("alice")
    world.run(0.1)
    now = EPOCH + world.now
    world.tracing.stanza(
        ALICE, contact, True, "<iq type='set'><query xmlns='apple:iq:vc:request'/></iq>", now
    )
    world.tracing.stanza(ALICE, CONTROL, False, "<iq type='result'/>", now)
    world.tracing.stanza("bob@jabber.localhost", contact, False, "<presence/>", now)
    world.phone.hang_up()
    world.run(30.0)
    assert ladder(trace_of(world), Protocol.XMPP) == [
        "connector > user: iq set apple:iq:vc:request",
        "user > connector: iq result",
    ]
    # Nothing is taken for a part of a call that is long over.
    world.tracing.stanza(ALICE, contact, False, "<iq type='error'/>", now + 60.0)
    assert len(ladder(trace_of(world), Protocol.XMPP)) == 2


def test_a_stanza_that_begins_a_call_comes_before_it() -> None:
    world = World()
    contact = f"5551234@{COMPONENT}"
    request = "<iq type='set'><query xmlns='apple:iq:vc:request'/></iq>"
    world.tracing.stanza(ALICE, contact, False, request, EPOCH + world.now - 60.0)
    world.tracing.stanza(ALICE, contact, False, request, EPOCH + world.now)
    world.tracing.stanza(ALICE, f"other@{COMPONENT}", False, request, EPOCH + world.now)
    world.alice.dial("5551234")
    world.run(2.0)
    world.alice.hang_up()
    world.run(30.0)
    assert len(ladder(trace_of(world), Protocol.XMPP)) == 1


# --- what is shown to others ------------------------------------------------------------------------------


def test_everything_is_mirrored_of_calls_or_not() -> None:
    mirrored: list[tuple[str, str]] = []

    def mirror(recorded: Recorded, call: str) -> None:
        assert isinstance(recorded.content, bytes | str)
        text = recorded.content if isinstance(recorded.content, str) else recorded.content.decode()
        mirrored.append((text.split()[0], call))

    world = World()
    world.tracing = Tracing(TraceBook(), mirror=mirror)
    phone = Hand(world).peer
    phone.sends("OPTIONS", uri="sip:127.0.0.1:5070")
    world.run(0.1)
    world.tracing.stanza(ALICE, CONTROL, False, "<presence />", EPOCH)
    phone.sends("INVITE", sdp=None, uri="sip:alice@127.0.0.1:5070", To="<sip:alice@127.0.0.1:5070>")
    assert mirrored[:5] == [
        ("OPTIONS", ""),
        ("SIP/2.0", ""),
        ("<presence", ""),
        ("INVITE", "n-1"),
        ("SIP/2.0", "n-1"),
    ]


def test_nothing_is_left_over() -> None:
    world = World()
    for _ in range(3):
        world.phone.dial("alice")
        world.run(3.0)
        world.phone.hang_up()
        world.run(2.0)
    world.run(300.0)
    tracing = world.tracing
    assert not list(tracing.calls)
    assert tracing.deadline() is None
    assert not tracing._of_session
    assert not tracing._of_pair
    assert not tracing._pairs_of
    assert [type(kept) for kept in world.records] == [CallKept] * 3
    assert len(world.saved) == 3
    assert TraceKept(world.saved[0]).journal.ended is not None


def test_the_call_of_a_session_for_the_log() -> None:
    world = World()
    session = world.phone.dial("alice")
    assert session
    world.run(1.0)
    assert {world.tracing.call_of(number) for number in range(1, 4)} == {"n-1", ""}
    assert world.tracing.call_of(None) == ""
    assert world.tracing.call_between(f"{ALICE}/iChat", f"1555123456@{COMPONENT}") == "n-1"
    assert world.tracing.call_between(ALICE, CONTROL) == ""


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_call_lasts_as_long_as_it_lasts_whoever_sets_the_clock(step: float) -> None:
    """It began an hour earlier, or later, then: what is said of it fits together, and its trace says why."""
    records = []
    for set_by in (0.0, step):
        world = World()
        world.phone.dial("alice")
        world.run(2.0)
        world.talk(world.phone, 12.0)
        world.epoch += set_by
        world.talk(world.phone, 3.0)
        world.phone.hang_up()
        world.run(30.0)
        records.append(world.records[-1].record)
    plain, stepped = records
    assert stepped.began - plain.began == stepped.ended - plain.ended == step
    assert stepped.answered - plain.answered == step
    assert (stepped.sentence, stepped.verdict) == (plain.sentence, plain.verdict)
    assert (
        ladder(trace_of(world), Protocol.STATE).count(
            f"gateway > gateway: the machine's time of day was set by {step:+.1f} s"
        )
        == 1
    )


def test_the_clock_is_set_while_a_call_rings() -> None:
    world = World()
    world.phone.dial("alice")
    world.run(0.1)
    (watched,) = world.tracing.calls
    assert watched.answered is None
    before = watched.began
    world.epoch -= 3600.0
    world.run(2.0)
    assert watched.began == before - 3600.0
    assert 0.0 < watched.answered - watched.began < 2.0
