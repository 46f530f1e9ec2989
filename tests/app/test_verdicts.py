"""Every row of the verdict's tables is caused here, by a whole gateway with real machines in memory."""

import struct

from app.test_gateway_sessions import Hand, calls_in, described
from app.transferring import CAROL, Carol, TransferringPhone
from app.verdicts import audio_of, causes, last_verdict
from app.world import COMPONENT, World
from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.events import FromConnector, StopGateway
from ichat_gw.call.admission import Limits
from ichat_gw.call.leg import Reoffer
from ichat_gw.ipc.messages import NotifyIChatCallRequest
from ichat_gw.media.direct import DirectMedia
from ichat_gw.media.relay_messages import BindFault
from ichat_gw.media.rtp import Kind
from ichat_gw.ops.verdict_judge import CODES
from ichat_gw.sip.events import SessionId

CALLING = "alice@jabber.localhost"
NUMBER = "5551234@127.0.0.2"
CALLER = "15551234567@127.0.0.2"


def phone_calls(world: World) -> SessionId:
    """The phone calls alice, and they talk."""
    session = world.phone.dial("alice")
    world.run(2.0)
    return session


def both_speak(world: World, seconds: float = 5.0) -> None:
    world.talk(world.phone, seconds)
    world.talk(world.alice, seconds)
    world.run(seconds)


def alice_speaks(world: World) -> None:
    world.talk(world.alice, 5.0)
    world.run(5.0)


def phone_hangs_up(world: World) -> None:
    """And the verdict comes."""
    world.phone.hang_up()
    world.run(5.0)


# --- both talked ------------------------------------------------------------------------------------------


@causes("hung-up", f"the caller {CALLER} hung up after 6.7 s")
def test_the_phone_hangs_up(world: World) -> None:
    phone_calls(world)
    both_speak(world)
    phone_hangs_up(world)
    verdict = last_verdict(world)
    assert verdict.good
    assert verdict.code == "hung-up"
    assert audio_of(world) == ("arrived", "arrived")


@causes("hung-up", f"the callee {NUMBER} hung up before it was up")
def test_the_phone_hangs_up_before_alice_is_connected(world: World) -> None:
    phone = Hand(world).peer
    world.alice._responded = lambda query: None  # type: ignore[method-assign]
    world.alice.dial("5551234")
    world.run(0.1)
    phone.answers(phone.gets_request("INVITE"), 200, sdp=described())
    phone.sends("BYE", uri="sip:alice@127.0.0.1:5070")


@causes("media-timeout", "the gateway ended the call after 15 s: nothing from the caller for 15 s")
def test_nobody_says_anything_for_too_long() -> World:
    world = World(media_timeout=15.0)
    phone_calls(world)
    world.talk(world.alice, 60.0)
    return world


@causes("vanished", "vanished after 58 s: nobody refreshed the session in time")
def test_the_phone_vanishes_during_the_call(world: World) -> None:
    calls_in(world, Session_Expires="90;refresher=uas", Supported="timer")
    del world.parties[world.phone.address]


@causes("relay-failed", "a new relay worker cannot open its ports")
def test_the_relay_dies_and_its_successor_has_no_ports(world: World) -> None:
    phone_calls(world)
    world.relay.fault = BindFault.ADDRESS
    world.relay_dies()


@causes(
    "too-long", "the gateway ended the call after 1 min 1 s: the call has lasted as long as MaxCallDuration"
)
def test_nobody_ever_hangs_up() -> World:
    world = World(limits=Limits(seconds=61.0))
    phone_calls(world)
    return world


@causes("stopping", "the gateway was being stopped")
def test_the_gateway_is_stopped(world: World) -> None:
    phone_calls(world)
    world.gateway_hears(StopGateway())


@causes("broken-up", "the called party is busy (SIP 486)")
def test_a_phone_transfers_and_leaves_and_the_new_one_is_busy() -> World:
    world = World(transfer_hosts=frozenset({CAROL[0]}))
    world.phone = phone = TransferringPhone(world)
    carol = Carol(world)
    carol.manner = 486
    session = phone_calls(world)
    assert phone.transfers(session)
    phone.hang_up()
    return world


# --- the gateway does not take the call -------------------------------------------------------------------


@causes(
    "not-allowed", f"{CALLING}/iChat may not call 5551234@{COMPONENT}: AllowedXMPPDomains does not let in"
)
def test_a_user_of_a_domain_that_may_not_call() -> World:
    world = World(limits=Limits(domains=frozenset({"other.example"})))
    world.alice.dial("5551234")
    return world


@causes("too-many", "was one too many: MaxCallsPerUser does not let in")
def test_one_call_too_many() -> World:
    world = World(limits=Limits(calls_per_user=1))
    phone_calls(world)
    world.phone.dial("alice", caller="2")
    world.run(1.0)
    return world


@causes("xmpp-down", "the connection to the XMPP server is down")
def test_the_connector_dies_while_alice_is_alerted(world: World) -> None:
    world.alice.manner = "ignore"
    phone_calls(world)
    world.connector_dies()


@causes("no-rule", f"5551234@{COMPONENT} cannot be called: no TranslationPattern matches")
def test_no_rule_matches() -> World:
    world = World(rules=TranslationRules())
    world.alice.dial("5551234")
    return world


@causes("same-network", "does not connect")
def test_a_rule_that_leads_back() -> World:
    world = World(rules=TranslationRules([TranslationRule("^sip:(.*)@", "sip:other@127.0.0.2")]))
    world.phone.dial("alice")
    return world


@causes("no-port", "had nothing left to relay audio with")
def test_no_port_is_left() -> World:
    world = World(port_range=(8000, 8003))
    phone_calls(world)
    world.phone.dial("alice")
    return world


# --- iChat ------------------------------------------------------------------------------------------------


@causes("no-address", "the iChat client of the callee gave no address")
def test_connect_data_that_nobody_can_use(world: World) -> None:
    world.alice.blob = "00"
    world.phone.dial("alice")


@causes("no-address", "the iChat client of the caller gave no address")
def test_connect_data_of_a_caller_that_nobody_can_use(world: World) -> None:
    request = NotifyIChatCallRequest(f"5551234@{COMPONENT}", f"{CALLING}/iChat", "r-1", "00")
    world.gateway_hears(FromConnector(request))


@causes("ichat-silent", f"the iChat client of {CALLING} accepted the call, but our INVITE to it was never")
def test_an_ichat_behind_a_firewall(world: World) -> None:
    del world.parties[world.alice.address]
    world.phone.dial("alice")


@causes(
    "ichat-no-invite", f"the iChat client of {CALLING} was told that the call is answered, but its INVITE"
)
def test_an_ichat_whose_invite_is_lost(world: World) -> None:
    world.alice._responded = lambda query: None  # type: ignore[method-assign]
    world.alice.dial("5551234")


@causes("not-online", "no iChat client of nobody@jabber.localhost showed up in time")
def test_nobody_is_online(world: World) -> None:
    world.phone.dial("nobody")


@causes("user-away", f"{CALLING} does not exist or is not online (SIP 404)")
def test_alice_leaves_while_she_is_alerted(world: World) -> None:
    world.alice.manner = "ignore"
    phone_calls(world)
    world.alice.presence("unavailable")


# --- what the called side says ----------------------------------------------------------------------------


@causes("cancelled", f"the caller {CALLING} gave up after 2 s")
def test_alice_gives_up(world: World) -> None:
    world.phone.manner = "ring"
    world.alice.dial("5551234")
    world.run(2.0)
    world.alice.give_up()


@causes("answered-elsewhere", "somebody else took the call: Call completed elsewhere")
def test_another_phone_took_the_call(world: World) -> None:
    world.alice.manner = "ignore"
    phone = Hand(world).peer
    invite = phone.sends(
        "INVITE", sdp=described(), uri="sip:alice@127.0.0.1:5070", To="<sip:alice@127.0.0.1:5070>"
    )
    world.run(1.0)
    phone.sends(
        "CANCEL",
        seq=invite.cseq.number,
        branch=invite.via.branch,
        uri="sip:alice@127.0.0.1:5070",
        Reason='SIP;cause=200;text="Call completed elsewhere"',
    )


@causes("busy", f"{NUMBER} is busy (SIP 486)")
def test_the_phone_is_busy(world: World) -> None:
    world.phone.manner = 486
    world.alice.dial("5551234")


@causes("declined", f"{CALLING} declined")
def test_alice_declines(world: World) -> None:
    world.alice.manner = "decline"
    world.phone.dial("alice")


@causes("no-answer", f"{CALLING} did not answer within 3 min 0 s")
def test_nobody_answers(world: World) -> None:
    world.alice.manner = "ignore"
    world.phone.dial("alice")


@causes("number-unknown", f"nobody is known as {NUMBER} there (SIP 404)")
def test_the_number_does_not_exist(world: World) -> None:
    world.phone.manner = 404
    world.alice.dial("5551234")


@causes("password-wanted", f"the SIP server of {NUMBER} did not take our password")
def test_the_server_wants_a_password(world: World) -> None:
    phone = Hand(world).peer
    world.alice.dial("5551234")
    world.run(0.1)
    challenge = 'Digest realm="pbx.example", nonce="n", algorithm=SHA-256'
    phone.answers(phone.gets_request("INVITE"), 401, WWW_Authenticate=challenge)


@causes("forbidden-there", f"the SIP server does not let us call {NUMBER} (SIP 403)")
def test_the_server_forbids_the_call(world: World) -> None:
    world.phone.manner = 403
    world.alice.dial("5551234")


@causes("no-codec", "have no audio codec in common")
def test_the_phone_has_other_codecs(world: World) -> None:
    world.phone.sdp = world.phone.sdp.replace("0 8\r\n", "99\r\na=rtpmap:99 opus/48000/2\r\n", 1)
    phone_calls(world)


@causes("no-codec", f"{CALLING} and {NUMBER} have no audio codec in common (SIP 488)")
def test_the_phone_says_so_itself(world: World) -> None:
    world.phone.manner = 488
    world.alice.dial("5551234")


@causes("no-common-way", "audio over RTP/SAVP is not supported")
def test_the_phone_encrypts(world: World) -> None:
    world.phone.sdp = world.phone.sdp.replace("RTP/AVP", "RTP/SAVP")
    phone_calls(world)


@causes("unreachable", "5551234@nowhere.example could not be reached: no such host")
def test_a_domain_that_does_not_exist() -> World:
    world = World(rules=TranslationRules([TranslationRule("^xmpp:(.*)@gw", "sip:$1@nowhere.example")]))
    world.alice.dial("5551234")
    return world


@causes("no-response", "did not respond")
def test_a_server_that_is_switched_off(world: World) -> None:
    del world.parties[world.phone.address]
    world.alice.dial("5551234")


@causes("server-error", f"the SIP server of {NUMBER} failed (SIP 500)")
def test_a_server_that_fails(world: World) -> None:
    world.phone.manner = 500
    world.alice.dial("5551234")


@causes("malformed", "sent something that cannot be understood")
def test_an_answer_without_a_description(world: World) -> None:
    phone = Hand(world).peer
    world.alice.dial("5551234")
    world.run(0.1)
    phone.answers(phone.gets_request("INVITE"), 200)


@causes("refused", f"the callee {NUMBER} refused the call (SIP 433)")
def test_a_status_that_has_no_row_of_its_own(world: World) -> None:
    world.phone.manner = 433
    world.alice.dial("5551234")


# --- audio ------------------------------------------------------------------------------------------------


@causes("arrived", f"the audio of the callee {CALLING} arrived")
def test_audio_that_arrives_in_one_direction(world: World) -> None:
    phone_calls(world)
    alice_speaks(world)
    phone_hangs_up(world)
    assert audio_of(world) == ("never-sent", "arrived")
    assert last_verdict(world).code == "never-sent"
    assert not last_verdict(world).good


@causes("never-sent", f"nothing was ever heard from the caller {CALLER}, who had announced 127.0.0.2:5060")
def test_a_phone_that_is_not_heard(world: World) -> None:
    phone_calls(world)
    alice_speaks(world)
    phone_hangs_up(world)
    assert "let UDP from 127.0.0.2 pass" in last_verdict(world).remedy


@causes("not-counted", "is not known")
def test_the_counters_died_with_the_relay(world: World) -> None:
    phone_calls(world)
    both_speak(world)
    world.relay_dies()
    world.phone.hang_up()


@causes("direct", "went past the relay")
def test_audio_that_the_relay_never_sees() -> World:
    world = World()
    world.gateway.engine = DirectMedia(world.gateway.engine, world.rng)
    phone_calls(world)
    world.phone.hang_up()
    return world


def test_audio_that_goes_past_the_relay_in_the_end() -> None:
    world = World()
    world.gateway.engine = DirectMedia(world.gateway.engine, world.rng)
    world.alice.dial("5551234")
    world.run(3.0)
    world.alice.hang_up()
    world.run(1.0)
    assert audio_of(world) == ("direct", "direct")
    assert last_verdict(world).good


@causes("too-short", "the call was too short")
def test_a_call_that_ends_at_once(world: World) -> None:
    world.phone.dial("alice")
    world.run(0.5)
    world.phone.hang_up()


@causes(
    "wrong-address", "came from 127.0.0.2:4444, but it had announced 127.0.0.2:5060: 250 packets were dropped"
)
def test_a_phone_that_sends_from_elsewhere(world: World) -> None:
    phone_calls(world)
    world.talk(world.alice, 5.0)
    world.talk(world.phone, 5.0, source=("127.0.0.2", 4444))
    world.run(5.0)
    phone_hangs_up(world)
    assert last_verdict(world).code == "wrong-address"


@causes("not-rtp", "250 packets are no RTP")
def test_a_phone_that_wants_to_shake_hands_first(world: World) -> None:
    phone_calls(world)
    world.talk(world.phone, 5.0, packet=b"\x16\xfe\xff" + bytes(60))
    world.run(5.0)
    world.phone.hang_up()


@causes("on-hold", "the call was on hold since 08:00:08 UTC")
def test_a_call_that_ends_while_it_is_held(world: World) -> None:
    session = phone_calls(world)
    both_speak(world)
    world.phone.tell(session, Reoffer(world.phone.sdp + "a=sendonly\r\n"))
    world.talk(world.phone, 5.0)
    world.run(5.0)
    phone_hangs_up(world)
    assert audio_of(world) == ("arrived", "on-hold")
    assert last_verdict(world).good


@causes("one-way-since-hold", "since the hold at 08:00:08 UTC, though it was taken back at 08:00:13 UTC")
def test_a_phone_that_does_not_resume(world: World) -> None:
    session = phone_calls(world)
    both_speak(world)
    world.phone.tell(session, Reoffer(world.phone.sdp + "a=inactive\r\n"))
    world.run(5.0)
    world.phone.tell(session, Reoffer(world.phone.sdp))
    alice_speaks(world)
    phone_hangs_up(world)
    assert audio_of(world) == ("one-way-since-hold", "arrived")
    assert last_verdict(world).code == "one-way-since-hold"


@causes("stopped", "stopped at 08:00:07 UTC")
def test_audio_that_stops(world: World) -> None:
    phone_calls(world)
    both_speak(world)
    world.talk(world.alice, 40.0)
    world.run(40.0)
    world.phone.hang_up()


@causes(
    "not-sendable", f"the operating system refused to send it on to the callee {CALLING} at 127.0.1.1:16402"
)
def test_a_client_to_which_there_is_no_route(world: World) -> None:
    phone_calls(world)
    world.relay.unreachable.add("127.0.1.1")
    both_speak(world)
    world.phone.hang_up()


@causes("lost", "66% of the audio of the caller")
def test_a_line_that_loses(world: World) -> None:
    phone_calls(world)
    world.talk(world.phone, 5.0, every=3)
    world.run(5.0)
    world.phone.hang_up()


@causes("lost-onward", "20% of it was lost on the way to the callee")
def test_a_line_that_loses_on_the_other_side(world: World) -> None:
    phone_calls(world)
    both_speak(world)
    report(world, lost=50)
    world.phone.hang_up()


@causes("uneven", "ms of jitter")
def test_a_line_that_delays_by_turns(world: World) -> None:
    phone_calls(world)
    for _ in range(20):
        world.talk(world.phone, 0.04)
        world.run(0.4)
    world.phone.hang_up()


def report(world: World, lost: int) -> None:
    """Alice's client reports what it has lost of the phone's audio (RFC 3550 6.4.2)."""
    gate = world.relay.gate(world.alice.address)
    ssrc = gate.opposite.stream.ssrc_out
    block = struct.pack("!IIIIII", ssrc, lost, 250, 0, 0, 0)
    packet = struct.pack("!BBHI", 0x81, 201, 7, 2) + block
    control = world.relay.gate(world.alice.address, Kind.RTP)
    world.relay.carry(packet, world.alice.address, control, world.now)


# --- the tables -------------------------------------------------------------------------------------------


def test_each_row_is_caused_by_a_test() -> None:
    caused = {test.causes for test in globals().values() if hasattr(test, "causes")}
    assert caused == set(CODES)
