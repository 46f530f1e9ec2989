"""Where a call goes, and which calls go nowhere."""

import pytest

from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.routing import Network, Route, route


def rules(output: str) -> TranslationRules:
    return TranslationRules([TranslationRule("^(?:sip|xmpp):(.*)@", output)])


@pytest.mark.parametrize(
    ("origin", "output", "network", "target"),
    [
        (Network.XMPP, "sip:$1@phones", Network.SIP, "sip:bob@phones"),
        (Network.XMPP, "SIPS:$1@phones", Network.SIP, "SIPS:bob@phones"),
        (Network.SIP, "xmpp:$1@jabber", Network.XMPP, "xmpp:bob@jabber"),
    ],
)
def test_the_scheme_of_the_result_decides(
    origin: Network, output: str, network: Network, target: str
) -> None:
    assert route("sip:bob@x", origin, rules(output)) == Route(network, target)


@pytest.mark.parametrize(
    ("origin", "output", "cause", "status"),
    [
        (Network.SIP, "sip:$1@phones", Cause.FORBIDDEN, 403),
        (Network.SIP, "sips:$1@phones", Cause.FORBIDDEN, 403),
        (Network.XMPP, "xmpp:$1@jabber", Cause.FORBIDDEN, 403),
        (Network.SIP, "$1", Cause.NO_ROUTE, 404),
        (Network.XMPP, "$1:x", Cause.NO_ROUTE, 404),
    ],
)
def test_a_result_that_leads_nowhere(origin: Network, output: str, cause: Cause, status: int) -> None:
    ending = route("sip:bob@x", origin, rules(output))
    assert isinstance(ending, Ending)
    assert ending.cause is cause
    assert ending.sip_status == status


@pytest.mark.parametrize("address", ["", "xmpp:", "bob", "sip:bob"])
def test_no_rule_matches(address: str) -> None:
    ending = route(address, Network.SIP, rules("xmpp:$1@jabber"))
    assert isinstance(ending, Ending)
    assert ending.cause is Cause.NO_ROUTE


@pytest.mark.parametrize(
    ("origin", "address", "output", "target"),
    [
        (Network.XMPP, "xmpp:o\\27malley@x", "sip:$1@phones", "sip:o'malley@phones"),
        (Network.XMPP, "xmpp:bob\\40sip.example@x", "sip:$1", "sip:bob@sip.example"),
        (Network.SIP, "sip:f%C3%BC@x", "xmpp:$1@jabber", "xmpp:fü@jabber"),
    ],
)
def test_each_network_writes_characters_its_own_way(
    origin: Network, address: str, output: str, target: str
) -> None:
    routed = route(address, origin, rules(output))
    assert isinstance(routed, Route)
    assert routed.target == target


def test_a_user_that_no_jid_can_name() -> None:
    ending = route("sip:bob%20@x", Network.SIP, rules("xmpp:$1@jabber"))
    assert isinstance(ending, Ending)
    assert ending.cause is Cause.NOT_FOUND
