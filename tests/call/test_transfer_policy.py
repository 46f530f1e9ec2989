"""To whom a phone may transfer its call."""

import pytest

from ichat_gw.call.admission import Refusal
from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.transfer_policy import TransferPolicy, host_of, transfer_refused

POLICY = TransferPolicy(
    frozenset({"pbx.example.com", "2001:db8::7", "192.0.2.1"}),
    frozenset({"gw.example.com", "192.0.2.1"}),
    frozenset({5060, 5061, 5070}),
)


@pytest.mark.parametrize(
    "target",
    [
        "sip:carol@PBX.example.com",
        "sips:carol@pbx.example.com:5061;transport=tls",
        "sip:carol@192.0.2.9:5080",
        "sip:carol@[2001:db8::7]",
        "sip:carol@192.0.2.1:5080",
    ],
)
def test_known_hosts_and_the_phones_own(target: str) -> None:
    assert transfer_refused(target, "192.0.2.9", POLICY) is None


@pytest.mark.parametrize("target", ["sip:carol@elsewhere.example", "sip:carol@sub.pbx.example.com"])
def test_anybody_else(target: str) -> None:
    refusal = transfer_refused(target, "192.0.2.9", POLICY)
    assert isinstance(refusal, Refusal)
    assert refusal.setting == "AllowedTransferDomains"
    assert refusal.source == f"192.0.2.9, which transfers to {host_of(target)}"


@pytest.mark.parametrize(
    "target",
    [
        "sip:alice@GW.example.com",
        "sips:a@gw.example.com",
        "sip:alice@192.0.2.1:5070",
        "tel:+1555",
        "xmpp:a@b",
    ],
)
def test_nobody_is_connected_with_the_gateway_itself(target: str) -> None:
    refusal = transfer_refused(target, "192.0.2.1", POLICY)
    assert isinstance(refusal, Ending)
    assert refusal.cause is Cause.DECLINED
