"""Dialogs as values: creation on both sides, order, targets and routes."""

import pytest

from ichat_gw.sip.dialog import Dialog, is_viceroy, sip_host
from ichat_gw.sip.message import Headers, Request, Response

COMMON = [
    ("Via", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1"),
    ("From", '"B" <sip:b@example.com>;tag=ft'),
    ("To", "<sip:a@example.com>"),
    ("Call-ID", "c"),
    ("CSeq", "5 INVITE"),
]


def invite(*more: tuple[str, str]) -> Request:
    return Request("INVITE", "sip:a@example.com", Headers([*COMMON, *more]))


def ok(*more: tuple[str, str], status: int = 200) -> Response:
    fields = [(n, v + ";tag=tt" if n == "To" else v) for n, v in COMMON]
    return Response(status, None, Headers([*fields, *more]))


RECORD = ("Record-Route", "<sip:p1;lr>, <sip:p2;lr>")
CONTACT = ("Contact", "<sip:b@192.0.2.9>")


def test_dialog_of_the_called_side() -> None:
    dialog = Dialog.of_server(invite(CONTACT, RECORD), "tt", "<sip:a@gw>", None)
    assert not dialog.confirmed
    assert (dialog.local, dialog.remote) == ("<sip:a@example.com>;tag=tt", '"B" <sip:b@example.com>;tag=ft')
    bye = dialog.request("BYE", "me")
    assert bye.uri == "sip:b@192.0.2.9"
    assert bye.headers.items() == [
        ("Max-Forwards", "70"),
        ("Route", "<sip:p1;lr>"),
        ("Route", "<sip:p2;lr>"),
        ("Contact", "<sip:a@gw>"),
        ("To", '"B" <sip:b@example.com>;tag=ft'),
        ("From", "<sip:a@example.com>;tag=tt"),
        ("Call-ID", "c"),
        ("CSeq", "1 BYE"),
        ("User-Agent", "me"),
    ]
    assert dialog.next_hop == "sip:p1;lr"
    assert dialog.request("INFO", "me").cseq.number == 2


def test_dialog_of_the_calling_side_takes_the_route_backwards() -> None:
    dialog = Dialog.of_client(invite(), ok(CONTACT, RECORD, status=180), "<sip:b@gw>", pinned=False)
    assert not dialog.confirmed
    assert dialog.route_set == ("<sip:p2;lr>", "<sip:p1;lr>")
    dialog.learn(ok(("Contact", "<sip:b@192.0.2.10>"), ("Record-Route", "<sip:p3;lr>")))
    assert dialog.confirmed
    assert dialog.route_set == ("<sip:p3;lr>",)
    ack = dialog.ack(5, "me")
    assert (ack.uri, str(ack.cseq)) == ("sip:b@192.0.2.10", "5 ACK")
    assert dialog.request("BYE", "me").cseq.number == 6


def test_without_contact_the_request_uri_or_from_must_do() -> None:
    assert Dialog.of_client(invite(), ok(), "<sip:b@gw>", pinned=False).next_hop == "sip:a@example.com"
    assert Dialog.of_server(invite(), "tt", "<sip:a@gw>", None).next_hop == "sip:b@example.com"


def test_a_strict_router_finds_itself_in_the_request_uri() -> None:
    record = ("Record-Route", "<sip:strict.example.com>, <sip:p2;lr>")
    dialog = Dialog.of_server(invite(CONTACT, record), "tt", "<sip:a@gw>", None)
    bye = dialog.request("BYE", "me")
    assert bye.uri == dialog.next_hop == "sip:strict.example.com"
    assert [route.uri for route in bye.routes] == ["sip:p2;lr", "sip:b@192.0.2.9"]


def test_a_route_of_another_scheme_is_not_loose() -> None:
    dialog = Dialog.of_server(invite(CONTACT, ("Record-Route", "<x:y>")), "tt", "<sip:a@gw>", None)
    assert dialog.request("BYE", "me").uri == "x:y"


def test_a_pinned_dialog_learns_nothing() -> None:
    server = Dialog.of_server(invite(CONTACT, RECORD), "tt", "<sip:a@gw>", "sip:user@192.0.2.7:16402")
    client = Dialog.of_client(invite(), ok(CONTACT, RECORD), "<sip:b@gw>", pinned=True)
    for dialog, target in ((server, "sip:user@192.0.2.7:16402"), (client, "sip:a@example.com")):
        dialog.refresh(ok(("Contact", "<sip:x@y>")))
        bye = dialog.request("BYE", "me")
        assert (bye.uri, list(bye.routes), dialog.pinned) == (target, [], True)


@pytest.mark.parametrize(("number", "good"), [(4, False), (5, False), (6, True), (1000, True)])
def test_requests_come_in_order(number: int, good: bool) -> None:
    dialog = Dialog.of_server(invite(CONTACT), "tt", "<sip:a@gw>", None)
    request = Request("INFO", "sip:a@gw", Headers([("CSeq", f"{number} INFO")]))
    assert dialog.in_order(request) is good
    assert dialog.remote_seq == (number if good else 5)


def test_viceroy_is_recognised_by_how_its_name_begins() -> None:
    assert is_viceroy(invite(("User-Agent", "Viceroy 1.4.1")))
    assert not is_viceroy(invite(("User-Agent", "NotViceroy")))
    assert not is_viceroy(invite())


def test_ipv6_addresses_are_bracketed() -> None:
    assert (sip_host("::1"), sip_host("192.0.2.1")) == ("[::1]", "192.0.2.1")
