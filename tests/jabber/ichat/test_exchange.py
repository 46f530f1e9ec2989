import pytest

from ichat_gw.jabber.ichat import blob, exchange
from ichat_gw.jabber.ichat.exchange import Accepted, Cancel, CounterProposal, Declined, Request
from jabber.scene import element


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("<query xmlns='apple:iq:vc:cancel'/>", Cancel()),
        ("<query xmlns='apple:iq:vc:counterProposal'/>", CounterProposal()),
        ("<query xmlns='apple:iq:vc:request'/>", Request("")),
        (
            "<query xmlns='apple:iq:vc:request'><VCNewCallerIPPortData>\nAB </VCNewCallerIPPortData></query>",
            Request("AB"),
        ),
        (
            "<query xmlns='apple:iq:vc:response'>"
            "<response> 0 </response><connectData>ab</connectData></query>",
            Accepted("ab"),
        ),
        ("<query xmlns='apple:iq:vc:response'/>", Declined()),
        ("<query xmlns='apple:iq:vc:other'/>", None),
        ("<other xmlns='apple:iq:vc:request'/>", None),
        ("<query xmlns='jabber:iq:version'/>", None),
    ],
)
def test_read(xml: str, said: exchange.Exchange | None) -> None:
    assert exchange.read(element(xml)) == said


def test_a_text_that_is_too_long_stays_too_long() -> None:
    long = "0" * 100_000
    said = exchange.read(
        element(
            "<query xmlns='apple:iq:vc:request'>"
            f"<VCNewCallerIPPortData>{long}</VCNewCallerIPPortData></query>"
        )
    )
    assert isinstance(said, Request)
    assert len(said.blob) == blob.MAX_DIGITS + 1


def test_is_request() -> None:
    assert exchange.is_request(element("<query xmlns='apple:iq:vc:request'/>"))
    assert not exchange.is_request(element("<query xmlns='apple:iq:vc:response'/>"))
