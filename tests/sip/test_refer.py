"""What REFER and Replaces say, and what they must not say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.addressing.sip_grammar import InvalidSyntax
from ichat_gw.sip.headers import Headers
from ichat_gw.sip.message import Request
from ichat_gw.sip.refer import MAX_REFERRED_BY, Refer, Replaces, Unreferable


def refer(to: str | None, **fields: str) -> Request:
    headers = Headers() if to is None else Headers([("Refer-To", to)])
    for name, value in fields.items():
        headers.add(name.replace("_", "-"), value)
    return Request("REFER", "sip:gw@192.0.2.1", headers)


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("<sip:carol@example.com>", "sip:carol@example.com"),
        ("sip:carol@example.com", "sip:carol@example.com"),
        ('"Carol" <sips:carol@example.com;user=phone>', "sips:carol@example.com;user=phone"),
        (
            "<sip:carol@example.com:5080;transport=tcp;method=INVITE>",
            "sip:carol@example.com:5080;transport=tcp",
        ),
        ("<sip:carol@example.com?Subject=x&Route=%3Csip:evil%3E>", "sip:carol@example.com"),
    ],
)
def test_whom_it_names(to: str, target: str) -> None:
    assert Refer.read(refer(to)) == Refer(target, "", "", subscribes=True)


@pytest.mark.parametrize(
    ("to", "status"),
    [
        (None, 400),
        ("", 400),
        ("<sip:a b@c>", 400),
        ("<gopher:x>", 400),
        ("<tel:+15551234>", 603),
        ("tel:+15551234", 603),
        ("<http://example.com/>", 603),
        ("<sip:carol@example.com;method=BYE>", 603),
        ("<sip:carol@example.com;maddr=192.0.2.66>", 603),
        ("<sip:carol@example.com?Replaces=nonsense>", 400),
        ("<sip:carol@example.com?Replaces=a%0d%0aEvil:x%3Bto-tag%3D1%3Bfrom-tag%3D2>", 400),
    ],
)
def test_whom_it_cannot_name(to: str | None, status: int) -> None:
    with pytest.raises(Unreferable) as caught:
        Refer.read(refer(to))
    assert caught.value.status == status


def test_two_targets_are_one_too_many() -> None:
    with pytest.raises(Unreferable):
        Refer.read(refer("<sip:a@b>", Refer_To="<sip:c@d>"))


def test_the_call_that_the_new_one_takes_the_place_of() -> None:
    to = "<sip:carol@example.com?Replaces=12345%40192.0.2.9%3Bto-tag%3Dabc%3Bfrom-tag%3Ddef&Require=replaces>"
    assert Refer.read(refer(to)).replaces == "12345@192.0.2.9;to-tag=abc;from-tag=def"
    # COMPAT phones that forget the angle brackets.
    assert Refer.read(refer(to.strip("<>"))).replaces == "12345@192.0.2.9;to-tag=abc;from-tag=def"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("<sip:bob@example.com>", "<sip:bob@example.com>"),
        ('"Bob" <sip:bob@example.com>;cid="2@x"', '"Bob" <sip:bob@example.com>'),
        ("sip:bob@example.com", "<sip:bob@example.com>"),
        ("nonsense", ""),
        ("", ""),
        (f"<sip:{'b' * MAX_REFERRED_BY}@example.com>", ""),
    ],
)
def test_who_referred(value: str, written: str) -> None:
    assert Refer.read(refer("<sip:a@b>", Referred_By=value)).referred_by == written


@pytest.mark.parametrize(("value", "subscribes"), [("true", True), ("false", False), ("False ;x=y", False)])
def test_whether_it_subscribes(value: str, subscribes: bool) -> None:
    assert Refer.read(refer("<sip:a@b>", Refer_Sub=value)).subscribes is subscribes


# --- Replaces ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
        "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only",
    ],
)
def test_the_examples_of_rfc_3891(text: str) -> None:
    replaces = Replaces.parse(text)
    assert Replaces.parse(str(replaces)) == replaces
    assert replaces.early_only == ("early-only" in text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";to-tag=1;from-tag=2",
        "a b;to-tag=1;from-tag=2",
        "a;to-tag=1",
        "a;from-tag=1",
        "a;to-tag=1;from-tag=",
        "é;to-tag=1;from-tag=2",
        "a,b;to-tag=1;from-tag=2",
        'a;to-tag="x y";from-tag=2',
    ],
)
def test_what_names_no_dialog(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        Replaces.parse(text)


@given(st.text())
def test_nothing_that_could_end_a_line_gets_through(text: str) -> None:
    try:
        written = str(Replaces.parse(text))
    except InvalidSyntax:
        return
    assert written.isprintable()
    assert written.isascii()


@given(st.text(), st.text())
def test_no_refer_does_anything_else_than_say_what_is_wrong(to: str, by: str) -> None:
    for target in (to, f"<sip:a@b?{to}>", f"<sip:a@b?Replaces={to}>", f"<sip:{to}>"):
        try:
            read = Refer.read(refer(target, Referred_By=by))
        except Unreferable:
            continue
        assert "\n" not in read.target + read.replaces + read.referred_by
