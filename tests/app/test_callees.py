from dataclasses import dataclass

from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.callees import Callees
from ichat_gw.app.users import Users
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.routing import Network, Route
from ichat_gw.sip.events import Flow
from ichat_gw.sip.user_agent import UserAgent, UserAgentConfig

RULES = TranslationRules(
    [
        TranslationRule("^sip:(.*)@company[.]example$", "xmpp:$1@jabber.localhost"),
        TranslationRule("^xmpp:(.*)@jabber[.]localhost$", "sip:$1@registrar.localhost"),
    ]
)


FLOW = Flow("UDP", ("192.0.2.1", 5060), ("192.0.2.9", 5060))


@dataclass(frozen=True)
class Asked:
    request_uri: str
    to_uri: str
    flow: Flow = FLOW


def callees() -> Callees:
    agent = UserAgent(UserAgentConfig(), lambda: "t")
    return Callees(RULES, frozenset({"gw.example"}), agent, Users(RULES))


def test_the_rules_see_the_request_uri_unless_its_host_is_ours() -> None:
    found = callees()
    to = "sip:alice@company.example:5070;user=phone"
    assert found.address_of(Asked("sip:bob@company.example;x=y", to)) == "sip:bob@company.example"
    for ours in ("sip:bob@gw.example", "sip:bob@GW.Example:5070", "sip:bob@192.0.2.1", "sip:192.0.2.1"):
        assert found.address_of(Asked(ours, to)) == "sip:alice@company.example"


def test_the_rules_decide() -> None:
    found = callees()
    route = found.route("sip:alice@company.example", "sip:x@y")
    assert route == Route(Network.XMPP, "xmpp:alice@jabber.localhost")
    nowhere = found.route("sip:alice@elsewhere.example", "sip:x@y")
    assert isinstance(nowhere, Ending)
    assert nowhere.cause is Cause.NO_ROUTE


def test_a_contact_that_we_registered_is_that_user() -> None:
    agent = UserAgent(UserAgentConfig(), lambda: "t")
    users = Users(RULES)
    users.came("alice@jabber.localhost")
    agent.aor_of = lambda uri: "sip:alice@registrar.localhost" if "instance" in uri else None  # type: ignore[method-assign]
    found = Callees(TranslationRules(), frozenset(), agent, users)
    assert found.route("sip:whoever@x", "sip:w@h;instance=1") == Route(
        Network.XMPP, "xmpp:alice@jabber.localhost"
    )
    users.went("alice@jabber.localhost")
    assert isinstance(found.route("sip:whoever@x", "sip:w@h;instance=1"), Ending)
