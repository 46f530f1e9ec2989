"""Which numbers may be called: prefixes against what people and rules write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.call.destinations import Destinations, plain_destination


@pytest.mark.parametrize(
    ("target", "plain"),
    [
        ("sip:+1-555-0100@pbx.example.com", "+15550100@pbx.example.com"),
        (
            "sip:%2B15550100;phone-context=x@PBX.example.com:5060;transport=tcp?a=b",
            "+15550100@pbx.example.com:5060",
        ),
        ("SIPS:(0900) 12.34@pbx", "09001234@pbx"),
        ("tel:+1-900-555;isub=1", "+1900555"),
        ("sip:*72#@pbx", "*72#@pbx"),
        ("sip:o'malley.j@pbx", "o'malley.j@pbx"),
        ("sip:dad@pbx", "dad@pbx"),
        ("0900", "0900"),
        ("+1 (900)", "+1900"),
        ("service@", "service@"),
        ("service.desk@pbx", "service.desk@pbx"),
        ("sip:0900:password@pbx", "0900@pbx"),
    ],
)
def test_what_is_compared(target: str, plain: str) -> None:
    assert plain_destination(target) == plain


@pytest.mark.parametrize(
    ("allowed", "denied", "target", "refused_by"),
    [
        ((), (), "sip:1@pbx", None),
        ((), ("0900",), "sip:0900123@pbx", "DeniedDestinations"),
        ((), ("0900",), "sip:0%39%30%301@pbx", "DeniedDestinations"),
        ((), ("0900",), "sip:09-00 1@pbx", "DeniedDestinations"),
        ((), ("0900",), "tel:0900-123", "DeniedDestinations"),
        ((), ("0900",), "sip:1230900@pbx", None),
        (("+49",), (), "sip:+4930@pbx", None),
        (("+49",), (), "sip:+1@pbx", "AllowedDestinations"),
        (("+49",), ("+49900",), "sip:+49900@pbx", "DeniedDestinations"),
        (("+49900123",), ("+49900",), "sip:+49900123@pbx", None),
        (("1",), ("1",), "sip:1@pbx", "DeniedDestinations"),
    ],
)
def test_the_longest_prefix_decides(
    allowed: tuple[str, ...], denied: tuple[str, ...], target: str, refused_by: str | None
) -> None:
    assert Destinations(allowed, denied).refuses(target) == refused_by


@given(st.text())
def test_any_text_has_a_plain_form_that_stays_as_it_is(target: str) -> None:
    assert isinstance(plain_destination(target), str)
