"""A reload: each setting that the table calls live takes effect, calls go on, a wrong file changes nothing.

What needs sockets or files of its own is in `test_reload_shell`.
"""

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from app.reloading import COMPONENT, GATEWAY, RULES, Registrar, Site
from app.test_gateway_admission import Flooder
from app.test_reload_shell import SHELL
from ichat_gw.app.events import StopGateway
from ichat_gw.call.leg import Refused
from ichat_gw.config.table import SETTINGS
from ichat_gw.jabber.ichat.blob import ConnectRecord, encode
from ichat_gw.ops.records import MemoryRecords
from ichat_gw.ops.records_file import FileRecords
from ichat_gw.ops.trace import Lane, Protocol, Recorded

PROOFS: dict[str, Callable[[Site], None]] = {}
"""By the name of the setting."""


def proves(*names: str) -> Callable[[Callable[[Site], None]], Callable[[Site], None]]:
    def keep(proof: Callable[[Site], None]) -> Callable[[Site], None]:
        PROOFS.update(dict.fromkeys(names, proof))
        return proof

    return keep


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


LIVE = [setting.row.name for setting in SETTINGS if setting.row.live]


def test_every_live_setting_has_a_proof() -> None:
    assert {*PROOFS, *SHELL} == set(LIVE), "write a proof in test_reload.py, or set live=False"


@pytest.mark.parametrize("name", [name for name in LIVE if name not in SHELL])
def test_it_takes_effect(name: str, site: Site) -> None:
    PROOFS[name](site)


# --- SIP --------------------------------------------------------------------------------------------------


@proves("SIPGatewayIdentity")
def identity(site: Site) -> None:
    site.reload(SIPGatewayIdentity='"Front desk" <sip:desk@127.0.0.1>')
    site.world.phone.dial("alice")
    site.world.run(3.0)
    (invite,) = site.requests("INVITE", site.world.alice.address)
    assert str(invite.headers.get("From")).startswith('"Front desk" <sip:desk@127.0.0.1>')


@proves("KeepAlives")
def keep_alives(site: Site) -> None:
    site.online()
    site.world.run(40.0)
    assert site.keep_alives() == 1
    site.reload(KeepAlives="off")
    site.world.run(120.0)
    assert site.keep_alives() == 1
    site.reload(KeepAlives="on")
    site.world.run(65.0)
    assert site.keep_alives() == 3


@proves("OutboundProxy")
def outbound_proxy(site: Site) -> None:
    site.online()
    proxy = Registrar(site.world, ("127.0.0.6", 5060))
    site.reload(OutboundProxy="sip:127.0.0.6;lr")
    assert {request.to.uri for request in proxy.asked} == {"sip:alice@127.0.0.5", "sip:bob@127.0.0.5"}
    site.world.alice.dial("5551234")
    site.world.run(2.0)
    assert site.requests("INVITE", proxy.address)


@proves("RegistrationTime")
def registration_time(site: Site) -> None:
    site.online()
    site.quiet()
    site.reload(RegistrationTime="600")
    assert [request.headers.get("Expires") for request in site.registrar.asked] == ["600", "600"]
    site.quiet()
    site.reload(RegistrationTime="0")
    assert [request.headers.get("Expires") for request in site.registrar.asked] == ["0", "0"]
    assert site.world.gateway.user_agent.registrations == 0
    site.reload(RegistrationTime="300")
    assert site.world.gateway.user_agent.registrations == 2


@proves("RegistrationRetryTime")
def registration_retry_time(site: Site) -> None:
    site.reload(RegistrationRetryTime="86400")
    site.registrar.status = 500
    site.online()
    site.reload(RegistrationRetryTime="4")
    site.quiet()
    site.registrar.status = 0
    site.world.run(4.0)
    assert [request.to.uri for request in site.registrar.asked] == ["sip:bob@127.0.0.5"]


@proves("SessionExpires")
def session_expires(site: Site) -> None:
    site.reload(SessionExpires="200")
    site.world.alice.dial("5551234")
    site.world.run(3.0)
    (invite,) = site.requests("INVITE", site.world.phone.address)
    assert str(invite.headers.get("Session-Expires")).startswith("200")


@proves("SIPCredentials")
def sip_credentials(site: Site) -> None:
    site.registrar.realm = "pbx"
    site.online()
    assert not any("Authorization" in request.headers for request in site.registrar.asked)
    site.extra = ["SIPCredentials = pbx gateway open-sesame"]
    reply = site.reload()
    assert [(change.name, change.before) for change in reply.changed] == [("SIPCredentials", "")]
    assert "open-sesame" not in reply.changed[0].after
    assert 'username="gateway"' in str(site.registrar.asked[-1].headers.get("Authorization"))


# --- general ----------------------------------------------------------------------------------------------


@proves("IChatProceedingTimeout")
def proceeding_timeout(site: Site) -> None:
    site.reload(IChatProceedingTimeout="700")
    site.world.alice.presence("unavailable")
    site.world.ichats.clear()
    site.world.run(0.5)
    site.world.phone.dial("alice")
    site.world.run(1.0)
    assert site.world.heard_by(site.world.phone, Refused)


@proves("PreferIPv6")
def prefer_ipv6(site: Site) -> None:
    site = Site(site.directory, site.lines | {"IPAddress": "::1"})
    site.world.alice.blob = blob("127.0.1.1", "2001:db8::1")
    site.reload(PreferIPv6="on")
    site.world.phone.dial("alice")
    site.world.run(1.0)
    assert site.lookups[-1] == "sip:user@[2001:db8::1]:16402"


@proves("SkipFirstIChatAddress")
def skip_first_address(site: Site) -> None:
    site.world.alice.blob = blob("127.0.1.1", "127.0.1.9")
    site.reload(SkipFirstIChatAddress="on")
    site.world.phone.dial("alice")
    site.world.run(1.0)
    assert site.lookups[-1] == "sip:user@127.0.1.9:16402"


@proves("CodecIdFilterList")
def codec_filter(site: Site) -> None:
    site.reload(CodecIdFilterList="3, 8")
    site.world.phone.dial("alice")
    site.world.run(2.0)
    (invite,) = site.requests("INVITE", site.world.alice.address)
    assert re.search(rb"m=audio \d+ RTP/AVP 0\r\n", invite.body)


@proves("MediaRelayPortRangeMin", "MediaRelayPortRangeMax")
def port_range(site: Site) -> None:
    site.world.phone.dial("alice")
    site.world.run(3.0)
    site.reload(MediaRelayPortRangeMin="9000", MediaRelayPortRangeMax="9003")
    site.world.phone.dial("alice", caller="15550000000")
    site.world.run(3.0)
    before, after = (audio_port(invite.body) for invite in site.requests("INVITE", site.world.alice.address))
    assert 8000 <= before < 8100
    assert 9000 <= after < 9004
    assert len(site.world.gateway.calls.live) == 2
    site.world.phone.hang_up()
    site.world.run(60.0)
    assert site.world.gateway.engine.ports_in_use == 0


@proves("MediaTimeout")
def media_timeout(site: Site) -> None:
    site.reload(MediaTimeout="7")
    site.world.phone.dial("alice")
    site.world.run(3.0)
    assert 7.0 in {getattr(order, "timeout", None) for order in site.orders}


# --- Jabber -----------------------------------------------------------------------------------------------


@proves("JabberServer", "JabberComponentPort", "JabberComponentPassword")
def connection(site: Site) -> None:
    """The connector alone is started again: what it is told then is in test_serve; a call goes on."""
    site.world.phone.dial("alice")
    site.world.run(3.0)
    for number, line in enumerate(
        (
            {"JabberServer": "jabber.localhost"},
            {"JabberComponentPort": "5999"},
            {"JabberComponentPassword": "another password"},
        ),
        1,
    ):
        site.reload(**line)
        assert site.starts == number
    site.world.run(10.0)
    assert len(site.world.gateway.calls.live) == 1
    site.reload(MaxCalls="7")
    assert site.starts == 3


@proves("JabberServerPingDuration")
def ping_duration(site: Site) -> None:
    site.reload(JabberServerPingDuration="5")
    site.quiet()
    site.world.run(6.0)
    assert any("urn:xmpp:ping" in stanza for stanza in site.stanzas)


@proves("NumbersReachable")
def numbers_reachable(site: Site) -> None:
    def pstn() -> bool:
        query = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        return any(each.get("type") == "pstn" for each in site.asks(query).iter())

    assert not pstn()
    site.reload(NumbersReachable="on")
    assert pstn()
    site.reload(NumbersReachable="off")
    assert not pstn()


# --- rules ------------------------------------------------------------------------------------------------


@proves("TranslationPattern")
def rules(site: Site) -> None:
    """Calls go the new way, and so do the registrations of those who are online."""
    site.online()
    moved = Registrar(site.world, ("127.0.0.6", 5060))
    site.rules = (
        (r"^xmpp:9(.*)@gw\.jabber\.localhost$", "sip:$1@127.0.0.2"),
        RULES[1],
        (r"^xmpp:(bob|alice)@jabber\.localhost$", "sip:$1@127.0.0.6"),
    )
    site.quiet()
    assert [change.name for change in site.reload().changed] == ["TranslationPattern"]
    assert [request.headers.get("Expires") for request in site.registrar.asked] == ["0", "0"]
    assert [request.headers.get("Expires") for request in moved.asked] == ["3600", "3600"]
    site.world.alice.dial("95551234")
    site.world.run(2.0)
    assert site.requests("INVITE", site.world.phone.address)[0].uri.startswith("sip:5551234@")


def test_who_had_no_address_of_record_gets_one(site: Site) -> None:
    site.rules = RULES[:2]
    site.reload()
    assert site.world.gateway.user_agent.registrations == 0
    site.online()
    site.rules = RULES
    site.reload()
    assert {request.to.uri for request in site.registrar.asked} >= {"sip:bob@127.0.0.5"}
    assert site.world.gateway.user_agent.registrations == 2


# --- messages, records and traces -------------------------------------------------------------------------


@proves("SIPMessages")
def sip_messages(site: Site) -> None:
    world = site.world
    page = f"<message type='chat' from='{world.alice.jid}' to='5551234@{COMPONENT}'><body>hi</body></message>"
    for passes, sent in (("off", 0), ("on", 1)):
        site.quiet()
        site.reload(SIPMessages=passes)
        world.to_connector(page)
        world.run(1.0)
        assert len(site.requests("MESSAGE")) == sent
        assert world.gateway.user_agent._replies.takes_pages is (passes == "on")


@proves("TraceCalls", "TraceMemory", "CallRecordDays")
def memory(site: Site) -> None:
    book = site.memory.book
    for number in range(5):
        book.begin(str(number), "a", "b", 0.0)
        book.add(str(number), Recorded(0.0, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, "x" * 100_000))
        book.end(str(number), None, 1.0)
    site.reload(TraceCalls="3")
    assert [journal.call for journal in book.over] == ["4", "3", "2"]
    site.reload(TraceMemory="1", TraceCalls="100")
    for number in range(9):
        book.begin(f"n{number}", "a", "b", 0.0)
        book.add(f"n{number}", Recorded(0.0, Protocol.STATE, Lane.GATEWAY, Lane.GATEWAY, "x" * 200_000))
        book.end(f"n{number}", None, 1.0)
    assert book.size < 2**20
    assert site.memory.keeps_messages
    site.reload(TraceCalls="0")
    assert not site.memory.keeps_messages
    assert isinstance(site.memory.records, MemoryRecords)
    site.reload(CallRecordDays="30")
    assert isinstance(site.memory.records, FileRecords)
    site.memory.close()


# --- who may call -----------------------------------------------------------------------------------------


@proves("AllowedSIPNetworks")
def networks(site: Site) -> None:
    stranger = Flooder(site.world)
    site.reload(AllowedSIPNetworks="127.0.0.0/30, 127.0.0.5")
    stranger.floods(1)
    site.world.run(3.0)
    assert stranger.heard == []
    site.reload(AllowedSIPNetworks="127.0.0.0/28")
    site.world.run(3.0)
    assert stranger.heard


@proves("AllowedXMPPDomains")
def domains(site: Site) -> None:
    site.reload(AllowedXMPPDomains="elsewhere.example")
    site.world.alice.dial("5551234")
    site.world.run(2.0)
    assert site.requests("INVITE") == []
    site.reload(AllowedXMPPDomains="jabber.localhost")
    site.world.alice.dial("5551234")
    site.world.run(2.0)
    assert site.requests("INVITE")


@proves("AllowedTransferDomains")
def transfer_domains(site: Site) -> None:
    policy = site.world.gateway.transfers._policy
    assert "127.0.0.9" not in policy.known
    site.reload(AllowedTransferDomains="127.0.0.9")
    assert "127.0.0.9" in site.world.gateway.transfers._policy.known


def refusals(site: Site, calls: int, each: float = 0.0) -> int:
    """How many of so many calls are refused for want of room."""
    flooder = Flooder(site.world)
    for _ in range(calls):
        flooder.floods(1)
        site.world.run(each)
    site.world.run(0.3)
    count = sum(status == 503 for status in flooder.statuses())
    flooder.hang_up()
    site.world.run(60.0)
    return count


@proves("MaxRequestsPerSecond")
def requests_per_second(site: Site) -> None:
    site.reload(MaxRequestsPerSecond="2")
    assert refusals(site, 6) == 4
    site.reload(MaxRequestsPerSecond="0")
    assert refusals(site, 6) == 0


@proves("MaxRequestsPerSecondPerSource")
def requests_per_source(site: Site) -> None:
    site.reload(MaxRequestsPerSecondPerSource="3")
    assert refusals(site, 6) == 3
    site.reload(MaxRequestsPerSecondPerSource="0")
    assert refusals(site, 6) == 0


@proves("MaxCalls")
def max_calls(site: Site) -> None:
    site.reload(MaxCalls="2")
    assert refusals(site, 5, each=0.1) == 3


@proves("MaxCallsPerSource")
def max_calls_per_source(site: Site) -> None:
    site.reload(MaxCallsPerSource="1")
    assert refusals(site, 5, each=0.1) == 4


@proves("MaxCallsPerUser")
def max_calls_per_user(site: Site) -> None:
    site.reload(MaxCallsPerUser="3")
    assert refusals(site, 5, each=0.1) == 2


@proves("AllowedDestinations", "DeniedDestinations")
def destinations(site: Site) -> None:
    def calls(number: str) -> bool:
        site.quiet()
        site.world.alice.dial(number)
        site.world.run(2.0)
        site.world.alice.give_up()
        site.world.run(40.0)
        return bool(site.requests("INVITE", site.world.phone.address))

    site.reload(AllowedDestinations="555", DeniedDestinations="5559")
    assert [calls(number) for number in ("5551", "5559", "777")] == [True, False, False]
    site.reload(AllowedDestinations="", DeniedDestinations="777")
    assert [calls(number) for number in ("5559", "777")] == [True, False]


@proves("MaxCallDuration")
def max_call_duration(site: Site) -> None:
    site.reload(MaxCallDuration="20")
    site.world.phone.dial("alice")
    site.world.run(15.0)
    assert site.requests("BYE") == []
    site.world.run(10.0)
    assert site.requests("BYE")


@proves("MaxTransactions")
def max_transactions(site: Site) -> None:
    site.reload(MaxTransactions="3")
    assert refusals(site, 6) >= 3
    site.reload(MaxTransactions="0")
    assert refusals(site, 6) == 0


@proves("IgnoreAfter", "IgnoreTime", "TrustedSIPNetworks")
def ignored(site: Site) -> None:
    def hears(address: str) -> bool:
        """Whether somebody who sent much that is no SIP is answered 20 seconds later."""
        flooder = Flooder(site.world, address)
        for _ in range(10):
            site.world.carry(b"no SIP at all", flooder.address, GATEWAY)
        site.world.run(20.0)
        flooder.floods(1)
        site.world.run(1.0)
        heard = bool(flooder.heard)
        flooder.hang_up()
        return heard

    site.reload(IgnoreAfter="3", IgnoreTime="30")
    assert not hears("127.0.0.11")
    site.reload(TrustedSIPNetworks="127.0.0.12")
    assert hears("127.0.0.12")
    site.reload(IgnoreTime="5")
    assert hears("127.0.0.13")


# --- calls, and files that are wrong ----------------------------------------------------------------------


def test_a_call_goes_on_and_ends_as_ever(site: Site) -> None:
    site.world.phone.dial("alice")
    site.world.run(3.0)
    site.quiet()
    site.rules = ()
    site.reload(AllowedSIPNetworks="192.0.2.1", MaxCalls="1", RegistrationTime="0", CodecIdFilterList="0")
    site.world.run(30.0)
    assert site.requests("INVITE") == site.requests("BYE") == []
    assert len(site.world.gateway.calls.live) == 1
    # The phone is in no network that is allowed now, and is heard to the end of its call.
    site.world.phone.hang_up()
    site.world.run(1.0)
    assert site.requests("BYE", site.world.alice.address)
    site.world.run(60.0)
    assert site.world.gateway.calls.live == {}
    assert site.world.gateway.admission.expected == 0


def test_a_phone_that_was_called_is_heard_to_the_end_of_its_call(site: Site) -> None:
    site.world.alice.dial("5551234")
    site.world.run(3.0)
    site.reload(AllowedSIPNetworks="192.0.2.1")
    site.world.phone.hang_up()
    site.world.run(60.0)
    assert site.world.gateway.calls.live == {}
    assert site.world.gateway.admission.expected == 0


def test_a_wrong_file_changes_nothing_and_says_why(site: Site) -> None:
    before = site.world.gateway.config, site.reloader.settings, site.reloader.when
    site.lines |= {"MaxCalls": "many", "SessionExpires": "90"}
    site.write()
    reply = site.reloader.reload()
    assert not reply.done
    assert reply.problems == (
        f"{site.file}:11: MaxCalls: 'many' is no whole number; "
        "allowed: a whole number of calls from 0 to 100000",
    )
    assert (site.world.gateway.config, site.reloader.settings, site.reloader.when) == before


def test_a_file_that_is_gone_changes_nothing(site: Site) -> None:
    site.file.unlink()
    reply = site.reloader.reload()
    assert not reply.done
    assert "there is no such file" in reply.problems[0]


def test_what_needs_a_restart_is_named_each_time_and_the_rest_is_done(site: Site) -> None:
    for _ in range(2):
        site.lines |= {"UDPTCPPort": "5099", "JabberComponentName": "another", "MaxCalls": "3"}
        site.write()
        reply = site.reloader.reload()
        assert reply.done
        assert [(each.name, each.before, each.after) for each in reply.needs_restart] == [
            ("UDPTCPPort", "5070", "5099"),
            ("JabberComponentName", "gw.jabber.localhost", "another"),
        ]
        assert site.reloader.settings.udp_tcp_port == 5070
        assert site.reloader.settings.max_calls == 3
    assert site.world.gateway.admission.limits.calls == 3


def test_a_file_without_a_change_is_put_in_force_with_nothing_to_say(site: Site) -> None:
    site.online()
    site.quiet()
    reply = site.reloader.reload()
    site.world.run(1.0)
    assert (reply.done, reply.changed, reply.needs_restart, reply.warnings) == (True, (), (), ())
    assert site.sent == []


def test_warnings_come_along(site: Site) -> None:
    site.extra = ["Colour = blue"]
    site.write()
    (warning,) = site.reloader.reload().warnings
    assert "there is no such setting" in warning


def test_a_gateway_that_is_stopping_registers_nobody_anew(site: Site) -> None:
    site.world.gateway_hears(StopGateway())
    site.world.run(5.0)
    site.quiet()
    site.lines["RegistrationTime"] = "77"
    site.write()
    site.reloader.reload()
    site.world.run(5.0)
    assert site.registrar.asked == []


# --- registrations in the middle of something -------------------------------------------------------------


def test_a_registration_that_is_under_way_is_asked_again_afterwards(site: Site) -> None:
    site.registrar.feed = lambda event: None  # type: ignore[method-assign]
    site.online()
    del site.registrar.feed
    site.reload(RegistrationTime="600")
    site.world.run(70.0)
    assert site.registrar.asked[-1].headers.get("Expires") == "600"


def test_who_leaves_is_not_kept_by_a_reload(site: Site) -> None:
    site.online()
    site.registrar.feed = lambda event: None  # type: ignore[method-assign]
    site.world.gateway_hears(StopGateway())
    site.reloader.reload()
    del site.registrar.feed
    site.world.run(100.0)
    assert site.world.gateway.user_agent.registrations == 0


def blob(*addresses: str) -> str:
    return encode(ConnectRecord(f"en{n}", ip_address(a), 16402) for n, a in enumerate(addresses))


def audio_port(body: bytes) -> int:
    found = re.search(rb"m=audio (\d+)", body)
    assert found is not None
    return int(found[1])
