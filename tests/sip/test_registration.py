"""REGISTER: asked, refreshed, refused, retried, given back, and not all at once."""

import pytest
from pydantic import SecretStr

from ichat_gw.config.credentials import SipCredentials
from ichat_gw.sip.authentication import Trust
from ichat_gw.sip.events import Flow, RegistrationFailed, Resolved, StartRegistration, StopRegistration
from ichat_gw.sip.message import Request
from ichat_gw.sip.replies import ALLOW
from ichat_gw.sip.user_agent import UserAgentConfig
from tests.sip.digest_server import PASSWORD, answer_in, asks, is_right
from tests.sip.ladder import OURS, Ladder, Peer

AOR = "sip:alice@example.com"


def online(chance: float = 0.0, **config: object) -> tuple[Ladder, Peer]:
    config.setdefault("keep_alives", False)
    config.setdefault("registrar_checks", False)
    ladder = Ladder(UserAgentConfig(**config), chance)  # type: ignore[arg-type]
    registrar = ladder.phone("192.0.2.20")
    ladder.routes["example.com"] = [registrar.address]
    return ladder, registrar


def registered(**config: object) -> tuple[Ladder, Peer, Request]:
    ladder, registrar = online(**config)
    ladder.act(StartRegistration(AOR))
    request = registrar.gets_request("REGISTER")
    grants(registrar, request, 3600)
    assert ladder.registered() == [(AOR, 3600)]
    return ladder, registrar, request


def grants(registrar: Peer, request: Request, seconds: int) -> None:
    registrar.answers(request, 200, Contact=f"{request.headers.get('Contact')};expires={seconds}")


def empty(ladder: Ladder) -> bool:
    return (ladder.agent.registrations, ladder.agent.transactions, ladder.agent.running_timers) == (0, 0, 0)


def test_the_register_looks_like_the_originals_but_for_path() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    request = registrar.gets_request("REGISTER")
    assert request.uri == "sip:example.com"
    methods = ",".join(ALLOW)
    assert request.headers.items()[1:] == [
        ("Max-Forwards", "70"),
        ("Contact", f'<sip:alice@192.0.2.1:5070;rinstance=t2>;methods="{methods}"'),
        ("To", "<sip:alice@example.com>"),
        ("From", "<sip:alice@example.com>;tag=t4"),
        ("Call-ID", "t3"),
        ("CSeq", "1 REGISTER"),
        ("Expires", "3600"),
        ("Accept-Language", "en"),
        ("Allow", ", ".join(ALLOW)),
        ("Supported", "path"),
        ("User-Agent", "ichat-gw"),
        ("Content-Length", "0"),
    ]


def test_registered_refreshed_and_unregistered() -> None:
    ladder, registrar, first = registered()
    ladder.later(3600 - 360 - 1)
    registrar.silent()
    ladder.later(1)
    second = registrar.gets_request("REGISTER")
    assert (second.call_id, second.cseq.number) == (first.call_id, 2)
    assert second.headers.get("Contact") == first.headers.get("Contact")
    grants(registrar, second, 3600)
    ladder.act(StopRegistration(AOR))
    third = registrar.gets_request("REGISTER")
    assert (third.headers.get("Expires"), third.cseq.number) == ("0", 3)
    registrar.answers(third, 200)
    assert ladder.registered() == [(AOR, 3600), (AOR, 0)]
    ladder.later(6)
    assert empty(ladder)


@pytest.mark.parametrize(
    ("granted", "chance", "after"),
    [(3600, 0.0, 3240.0), (3600, 1.0, 2916.0), (120, 0.0, 60.0), (10, 0.0, 5.0), (10**9, 0.0, 544320.0)],
)
def test_refresh_comes_before_the_granted_time_ends(granted: int, chance: float, after: float) -> None:
    ladder, registrar = online(chance)
    ladder.act(StartRegistration(AOR))
    grants(registrar, registrar.gets_request("REGISTER"), granted)
    ladder.later(after - 0.5)
    registrar.silent()
    ladder.later(1)
    registrar.gets("REGISTER")


def test_only_our_own_contact_counts() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    request = registrar.gets_request("REGISTER")
    others = '<sip:alice@192.0.2.99>;expires=7, <tel:+1>;expires=8, "x" <sip:a@b;rinstance=t2>;expires=odd'
    registrar.answers(request, 200, Contact=f"{others}, {request.headers.get('Contact')};expires=99")
    assert ladder.registered() == [(AOR, 99)]


@pytest.mark.parametrize(("fields", "granted"), [({"Expires": "77"}, 77), ({}, 3600)])
def test_a_response_without_our_contact(fields: dict[str, str], granted: int) -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    registrar.answers(registrar.gets_request("REGISTER"), 200, Contact="", **fields)
    assert ladder.registered() == [(AOR, granted)]


def test_a_grant_of_nothing_is_a_failure() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    grants(registrar, registrar.gets_request("REGISTER"), 0)
    assert ladder.registered() == [(AOR, -200)]
    ladder.later(120)
    registrar.gets("REGISTER")


def test_provisional_responses_change_nothing() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    request = registrar.gets_request("REGISTER")
    registrar.answers(request, 100)
    grants(registrar, request, 60)
    assert ladder.registered() == [(AOR, 60)]


# --- failures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 407, 423, 500])
def test_a_refusal_is_tried_again_and_never_given_up(status: int) -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    for _ in range(5):
        registrar.answers(registrar.gets_request("REGISTER"), status)
        assert ladder.registered() == [(AOR, -status)]
        ladder.later(119)
        registrar.silent()
        ladder.later(1)
    grants(registrar, registrar.gets_request("REGISTER"), 60)
    assert ladder.registered() == [(AOR, 60)]


def test_retries_are_spread_but_never_later_than_the_setting() -> None:
    ladder, registrar = online(chance=1.0)
    ladder.act(StartRegistration(AOR))
    registrar.answers(registrar.gets_request("REGISTER"), 500)
    ladder.later(59)
    registrar.silent()
    ladder.later(1)
    registrar.gets("REGISTER")


def test_a_registrar_that_is_down() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    ladder.later(32)
    assert ladder.registered() == [(AOR, -408)]
    registrar.got()
    ladder.later(120)
    ladder.fail(registrar.address)
    registrar.got()
    assert ladder.registered() == [(AOR, -503)]
    # It may have heard the first one, so it is told that it is over.
    ladder.act(StopRegistration(AOR))
    request = registrar.gets_request("REGISTER")
    assert request.headers.get("Expires") == "0"
    ladder.later(32)
    assert ladder.registered() == [(AOR, -408)]
    assert empty(ladder)


def test_a_registrar_that_cannot_be_found() -> None:
    ladder, registrar = online()
    ladder.auto = False
    ladder.act(StartRegistration(AOR))
    ladder.resolve()
    assert ladder.registered() == [(AOR, -503)]
    ladder.act(StopRegistration(AOR))
    assert ladder.registered() == [(AOR, 0)]
    assert empty(ladder)
    registrar.silent()


@pytest.mark.parametrize("how", ["503", "timeout"])
def test_the_next_address_of_the_registrar(how: str) -> None:
    ladder, one = online()
    two = ladder.phone("192.0.2.21")
    ladder.routes["example.com"] = [one.address, two.address]
    ladder.act(StartRegistration(AOR))
    request = one.gets_request("REGISTER")
    if how == "503":
        one.answers(request, 503)
    else:
        ladder.later(32)
    request = two.gets_request("REGISTER")
    assert request.cseq.number == 2
    grants(two, request, 60)
    assert ladder.registered() == [(AOR, 60)]


def test_the_registrars_minimum_is_honoured_from_then_on() -> None:
    ladder, registrar = online(registration_time=60)
    ladder.act(StartRegistration(AOR))
    request = registrar.gets_request("REGISTER")
    assert request.headers.get("Expires") == "60"
    registrar.answers(request, 423, Min_Expires="1800")
    request = registrar.gets_request("REGISTER")
    assert (request.headers.get("Expires"), request.cseq.number) == ("1800", 2)
    grants(registrar, request, 1800)
    assert ladder.registered() == [(AOR, 1800)]
    ladder.later(1800)
    assert registrar.gets("REGISTER").headers.get("Expires") == "1800"


@pytest.mark.parametrize("minimum", ["60", "1", "soon", "99999999"])
def test_a_minimum_that_makes_no_sense_is_a_failure(minimum: str) -> None:
    ladder, registrar = online(registration_time=60)
    ladder.act(StartRegistration(AOR))
    registrar.answers(registrar.gets_request("REGISTER"), 423, Min_Expires=minimum)
    assert ladder.registered() == [(AOR, -423)]


@pytest.mark.parametrize("aor", ["tel:+1555", "sip:", "nonsense", "xmpp:a@b"])
def test_an_aor_that_is_no_sip_uri(aor: str) -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(aor))
    assert ladder.registered() == [(aor, -400)]
    ladder.act(StopRegistration(aor))
    assert empty(ladder)
    registrar.silent()


def test_an_outbound_proxy_that_is_no_sip_uri() -> None:
    ladder, registrar = online(outbound_proxy="example.com")
    ladder.act(StartRegistration(AOR))
    assert ladder.registered() == [(AOR, -400)]
    registrar.silent()


# --- wishes that change while something is under way ------------------------------------------------------


def test_offline_again_while_asking() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    request = registrar.gets_request("REGISTER")
    ladder.act(StopRegistration(AOR))
    ladder.act(StopRegistration(AOR))
    registrar.silent()
    grants(registrar, request, 3600)
    leaving = registrar.gets_request("REGISTER")
    assert leaving.headers.get("Expires") == "0"
    registrar.answers(leaving, 200)
    assert ladder.registered() == [(AOR, 3600), (AOR, 0)]
    ladder.later(10)
    assert empty(ladder)


def test_offline_again_while_asking_in_vain() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    request = registrar.gets_request("REGISTER")
    ladder.act(StopRegistration(AOR))
    registrar.answers(request, 403)
    assert ladder.registered() == [(AOR, -403)]
    ladder.later(10)
    assert empty(ladder)


def test_online_again_while_leaving() -> None:
    ladder, registrar, _ = registered()
    ladder.act(StopRegistration(AOR))
    leaving = registrar.gets_request("REGISTER")
    ladder.act(StartRegistration(AOR))
    ladder.act(StartRegistration(AOR))
    registrar.silent()
    registrar.answers(leaving, 200)
    again = registrar.gets_request("REGISTER")
    assert (again.headers.get("Expires"), again.cseq.number) == ("3600", 3)
    grants(registrar, again, 60)
    assert ladder.registered() == [(AOR, 0), (AOR, 60)]


def test_online_again_while_leaving_in_vain() -> None:
    ladder, registrar, _ = registered()
    ladder.act(StopRegistration(AOR))
    leaving = registrar.gets_request("REGISTER")
    ladder.act(StartRegistration(AOR))
    registrar.answers(leaving, 500)
    assert ladder.registered() == [(AOR, -500)]
    ladder.later(120)
    assert registrar.gets("REGISTER").headers.get("Expires") == "3600"


def test_offline_after_a_refused_refresh_still_unregisters() -> None:
    ladder, registrar, _ = registered()
    ladder.later(3240)
    registrar.answers(registrar.gets_request("REGISTER"), 500)
    ladder.act(StopRegistration(AOR))
    assert registrar.gets("REGISTER").headers.get("Expires") == "0"


def test_started_twice_is_once() -> None:
    ladder, registrar, _ = registered()
    ladder.act(StartRegistration(AOR))
    registrar.silent()


def test_nobody_is_registered_for_no_time() -> None:
    ladder, registrar = online(registration_time=0)
    ladder.act(StartRegistration(AOR))
    ladder.act(StopRegistration(AOR))
    registrar.silent()
    assert empty(ladder)
    assert ladder.registered() == []


# --- many -------------------------------------------------------------------------------------------------


def test_a_crowd_is_let_in_a_few_at_a_time() -> None:
    ladder, registrar = online(registrations_at_once=3)
    for user in range(10):
        ladder.act(StartRegistration(f"sip:u{user}@example.com"))
    seen = []
    while registrar.inbox:
        assert len(registrar.inbox) <= 3
        request = registrar.gets_request("REGISTER")
        seen.append(request.to.uri)
        grants(registrar, request, 60)
    assert seen == [f"sip:u{user}@example.com" for user in range(10)]


def test_a_registrar_that_is_silent_does_not_stop_the_queue() -> None:
    ladder, registrar = online(registrations_at_once=3)
    for user in range(9):
        ladder.act(StartRegistration(f"sip:u{user}@example.com"))
    ladder.later(2.1)
    callers = {m.to.uri for m in registrar.inbox}
    assert len(callers) == 9


def test_a_crowd_that_leaves_before_its_turn() -> None:
    ladder, registrar = online(registrations_at_once=1)
    users = [f"sip:u{user}@example.com" for user in range(3000)]
    for aor in users:
        ladder.act(StartRegistration(aor))
    for aor in users:
        ladder.act(StopRegistration(aor))
    request = registrar.gets_request("REGISTER")
    registrar.answers(request, 404)
    assert ladder.registered() == [(users[0], -404), *((aor, 0) for aor in users[1:])]
    registrar.silent()
    ladder.later(10)
    assert empty(ladder)


# --- whose Contact ----------------------------------------------------------------------------------------


def test_our_contacts_lead_back_to_their_aor() -> None:
    ladder, _, request = registered()
    contact = request.contact
    assert contact is not None
    assert ladder.agent.aor_of(contact.uri) == AOR
    assert ladder.agent.aor_of(contact.uri.replace("192.0.2.1:5070", "elsewhere")) == AOR
    assert ladder.agent.aor_of(contact.uri.replace("alice", "bob")) is None
    assert ladder.agent.aor_of("sip:alice@192.0.2.1:5070") is None
    assert ladder.agent.aor_of("sip:alice@192.0.2.1:5070;rinstance=guess") is None
    assert ladder.agent.aor_of("tel:+1") is None


def test_an_aor_with_port_transport_and_no_user() -> None:
    ladder, registrar = online()
    ladder.routes["192.0.2.20:5060"] = [registrar.address]
    ladder.act(StartRegistration("sip:192.0.2.20:5060;transport=udp"))
    request = registrar.gets_request("REGISTER")
    assert request.uri == "sip:192.0.2.20:5060;transport=udp"
    contact = request.contact
    assert contact is not None
    assert contact.uri == "sip:192.0.2.1:5070;rinstance=t2"


@pytest.mark.parametrize(
    ("proxy", "routes"), [("sip:192.0.2.50", []), ("sip:192.0.2.50;lr", ["sip:192.0.2.50;lr"])]
)
def test_through_the_outbound_proxy(proxy: str, routes: list[str]) -> None:
    ladder, _ = online(outbound_proxy=proxy)
    at_proxy = ladder.phone("192.0.2.50")
    ladder.act(StartRegistration(AOR))
    request = at_proxy.gets_request("REGISTER")
    assert (request.uri, [route.uri for route in request.routes]) == ("sip:example.com", routes)


# --- keep-alives ------------------------------------------------------------------------------------------


def test_one_keep_alive_per_flow_while_anybody_is_registered() -> None:
    ladder, registrar = online(keep_alives=True)
    for aor in ("sip:a@example.com", "sip:b@example.com"):
        ladder.act(StartRegistration(aor))
        grants(registrar, registrar.gets_request("REGISTER"), 3600)
    assert ladder.raw == []
    ladder.later(90)
    assert ladder.raw == [b"\r\n\r\n"] * 3
    ladder.act(StopRegistration("sip:a@example.com"))
    registrar.answers(registrar.gets_request("REGISTER"), 200)
    ladder.later(30)
    assert len(ladder.raw) == 4
    ladder.act(StopRegistration("sip:b@example.com"))
    registrar.answers(registrar.gets_request("REGISTER"), 200)
    ladder.later(60)
    assert len(ladder.raw) == 4
    assert empty(ladder)


# --- passwords --------------------------------------------------------------------------------------------

GATEWAY = SipCredentials("pbx", "gateway", SecretStr(PASSWORD))
TRUST = Trust((GATEWAY,), frozenset({"example.com"}))


def test_a_password_is_given_when_asked_for() -> None:
    ladder, registrar = online(trust=TRUST)
    ladder.act(StartRegistration(AOR))
    first = registrar.gets_request("REGISTER")
    assert answer_in(first) == {}
    asks(registrar, first, "n1")
    second = registrar.gets_request("REGISTER")
    assert is_right(second)
    assert (second.call_id, second.from_.tag, second.cseq.number) == (first.call_id, first.from_.tag, 2)
    assert second.via.branch != first.via.branch
    assert second.headers.get("Contact") == first.headers.get("Contact")
    grants(registrar, second, 3600)
    assert ladder.registered() == [(AOR, 3600)]


def test_the_nonce_is_used_for_refreshes_until_another_is_wanted() -> None:
    ladder, registrar = online(trust=TRUST)
    ladder.act(StartRegistration(AOR))
    asks(registrar, registrar.gets_request("REGISTER"), "n1")
    grants(registrar, registrar.gets_request("REGISTER"), 3600)
    for count in ("00000002", "00000003"):
        ladder.later(3240)
        refresh = registrar.gets_request("REGISTER")
        assert is_right(refresh)
        assert (answer_in(refresh)["nonce"], answer_in(refresh)["nc"]) == ("n1", count)
        grants(registrar, refresh, 3600)
    # With or without `stale`: what was right before is tried once more with the new nonce.
    for nonce, more in (("n2", ", stale=true"), ("n3", "")):
        ladder.later(3240)
        asks(registrar, registrar.gets_request("REGISTER"), nonce, more=more)
        again = registrar.gets_request("REGISTER")
        assert is_right(again)
        assert (answer_in(again)["nonce"], answer_in(again)["nc"]) == (nonce, "00000001")
        grants(registrar, again, 3600)
    ladder.act(StopRegistration(AOR))
    leaving = registrar.gets_request("REGISTER")
    assert is_right(leaving)
    registrar.answers(leaving, 200)
    assert ladder.registered() == [*[(AOR, 3600)] * 5, (AOR, 0)]


def test_a_wrong_password_is_a_failure_and_no_loop() -> None:
    ladder, registrar = online(trust=TRUST)
    ladder.act(StartRegistration(AOR))
    for _ in range(3):
        first = registrar.gets_request("REGISTER")
        assert answer_in(first) == {}
        asks(registrar, first, "n1")
        asks(registrar, registrar.gets_request("REGISTER"), "n2")
        registrar.silent()
        assert failure(ladder) == (401, 'the password of "gateway" for the realm "pbx" was refused')
        ladder.later(120)


def test_leaving_is_challenged_too() -> None:
    ladder, registrar = online(trust=TRUST)
    ladder.act(StartRegistration(AOR))
    grants(registrar, registrar.gets_request("REGISTER"), 3600)
    ladder.act(StopRegistration(AOR))
    asks(registrar, registrar.gets_request("REGISTER"), "n1")
    leaving = registrar.gets_request("REGISTER")
    assert is_right(leaving)
    assert leaving.headers.get("Expires") == "0"
    registrar.answers(leaving, 200)
    assert ladder.registered() == [(AOR, 3600), (AOR, 0)]
    ladder.later(10)
    assert empty(ladder)


def test_the_minimum_comes_after_the_password() -> None:
    """With a registrar that takes each nonce only once."""
    ladder, registrar = online(trust=TRUST, registration_time=60)
    ladder.act(StartRegistration(AOR))
    asks(registrar, registrar.gets_request("REGISTER"), "n1")
    registrar.answers(registrar.gets_request("REGISTER"), 423, Min_Expires="600")
    asks(registrar, registrar.gets_request("REGISTER"), "n2", more=", stale=true")
    request = registrar.gets_request("REGISTER")
    assert is_right(request)
    assert request.headers.get("Expires") == "600"
    grants(registrar, request, 600)
    assert ladder.registered() == [(AOR, 600)]


def test_an_outbound_proxy_and_the_registrar_behind_it_both_ask() -> None:
    trust = Trust((SipCredentials("*", "gateway", SecretStr(PASSWORD)),))
    ladder, _ = online(trust=trust, outbound_proxy="sip:192.0.2.50;lr")
    proxy = ladder.phone("192.0.2.50")
    ladder.act(StartRegistration(AOR))
    asks(proxy, proxy.gets_request("REGISTER"), "n1", status=407, realm="proxy")
    second = proxy.gets_request("REGISTER")
    assert is_right(second)
    asks(proxy, second, "n2")
    third = proxy.gets_request("REGISTER")
    assert (
        len(third.headers.get_all("Authorization")),
        len(third.headers.get_all("Proxy-Authorization")),
    ) == (1, 1)
    grants(proxy, third, 60)
    assert ladder.registered() == [(AOR, 60)]


@pytest.mark.parametrize(
    "aor", ["sip:alice@evil.example", "sip:alice@example.com:5066", "sip:a@b.example.com"]
)
def test_a_domain_that_nobody_wrote_down_gets_no_password(aor: str) -> None:
    """Rules may let a user choose the domain of the AOR, and so the registrar."""
    trust = Trust((SipCredentials("*", "gateway", SecretStr(PASSWORD)),), frozenset({"example.com"}))
    ladder, _ = online(trust=trust)
    evil = ladder.phone("192.0.2.66")
    ladder.routes |= {aor.partition("@")[2]: [evil.address]}
    ladder.act(StartRegistration(aor))
    asks(evil, evil.gets_request("REGISTER"), "n1", realm="example.com")
    evil.silent()
    assert failure(ladder) == (401, "asked for a password, but no TranslationOutput spells this domain out")


def test_a_password_for_another_realm_is_not_given() -> None:
    ladder, registrar = online(trust=TRUST)
    ladder.act(StartRegistration(AOR))
    asks(registrar, registrar.gets_request("REGISTER"), "n1", realm="what")
    registrar.silent()
    status, text = failure(ladder)
    assert (status, text) == (
        401,
        'asked for a password for the realm "what", for which SIPCredentials has none',
    )


def test_the_next_address_asks_for_itself() -> None:
    ladder, one = online(trust=TRUST)
    two = ladder.phone("192.0.2.21")
    ladder.routes["example.com"] = [one.address, two.address]
    ladder.act(StartRegistration(AOR))
    asks(one, one.gets_request("REGISTER"), "n1")
    one.answers(one.gets_request("REGISTER"), 503)
    asks(two, two.gets_request("REGISTER"), "n2")
    last = two.gets_request("REGISTER")
    assert is_right(last)
    assert answer_in(last)["nonce"] == "n2"
    grants(two, last, 60)
    assert ladder.registered() == [(AOR, 60)]


# --- what the registrar says beside ------------------------------------------------------------------------


def test_a_registrar_that_wants_to_be_left_alone() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    for text, wait in (("300 (busy);duration=5", 300), ("10", 120), ("soon", 120), ("99999999999", 3600)):
        registrar.answers(registrar.gets_request("REGISTER"), 503, Retry_After=text)
        ladder.later(wait - 1)
        registrar.silent()
        ladder.later(1)
    registrar.gets("REGISTER")


def test_a_registrar_that_moved_is_named() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    registrar.answers(registrar.gets_request("REGISTER"), 302, Contact="<sip:new.example.com>")
    status, text = failure(ladder)
    assert status == 302
    assert text == "moved to sip:new.example.com: OutboundProxy or another translation can lead there"
    ladder.later(120)
    registrar.answers(registrar.gets_request("REGISTER"), 305)
    assert failure(ladder)[1].startswith("moved to no address")


def test_our_contact_is_not_listed_so_we_register_again_at_once() -> None:
    ladder, registrar, first = registered()
    ladder.later(3240)
    refresh = registrar.gets_request("REGISTER")
    registrar.answers(refresh, 200, Contact="")
    again = registrar.gets_request("REGISTER")
    assert again.call_id != refresh.call_id
    assert again.headers.get("Contact") == first.headers.get("Contact")
    grants(registrar, again, 3600)
    assert ladder.registered() == [(AOR, 3600)]


def test_a_registrar_that_drops_parameters() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    others = "<sip:alice@192.0.2.1:5071>;expires=1, <sip:alice@192.0.2.1:5070;rinstance=old>;expires=2, "
    ours = "<sip:alice@192.0.2.1:5070>;expires=99"
    registrar.answers(registrar.gets_request("REGISTER"), 200, Contact=others + ours)
    assert ladder.registered() == [(AOR, 99)]


def test_our_contact_is_never_listed() -> None:
    ladder, registrar = online()
    ladder.act(StartRegistration(AOR))
    for _ in range(2):
        registrar.answers(registrar.gets_request("REGISTER"), 200, Contact="<sip:alice@192.0.2.99>")
        registrar.answers(registrar.gets_request("REGISTER"), 200, Contact="<sip:alice@192.0.2.99>")
        assert failure(ladder) == (200, "the registrar does not list our Contact")
        ladder.later(119)
        registrar.silent()
        ladder.later(1)
    grants(registrar, registrar.gets_request("REGISTER"), 60)
    assert ladder.registered() == [(AOR, 60)]


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_the_contact_over_a_stream_says_so(transport: str) -> None:
    ladder, registrar = online()
    ladder.auto = False
    ladder.act(StartRegistration(AOR))
    lookup = ladder.lookups.popleft()
    ladder.act(Resolved(lookup.lookup, (Flow(transport, OURS, registrar.address),)))
    contact = registrar.gets_request("REGISTER").contact
    assert contact is not None
    assert contact.uri == f"sip:alice@192.0.2.1:5070;rinstance=t2;transport={transport.lower()}"


def failure(ladder: Ladder) -> tuple[int, str]:
    """Status and text of the one thing that was said of registrations."""
    event = ladder.events.popleft()
    assert isinstance(event, RegistrationFailed), event
    assert not ladder.events
    return event.status, event.text
