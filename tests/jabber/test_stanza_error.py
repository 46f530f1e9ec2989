import pytest

from ichat_gw.jabber import stanza_error
from jabber.scene import element

NS = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"


def failed(error: str) -> str:
    return f"<iq from='a@b/c' to='d@e' type='error'>{error}</iq>"


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("bad-request", 400),
        ("conflict", 400),
        ("feature-not-implemented", 405),
        ("forbidden", 403),
        ("gone", 410),
        ("internal-server-error", 500),
        ("item-not-found", 404),
        ("jid-malformed", 400),
        ("not-acceptable", 406),
        ("not-allowed", 403),
        ("not-authorized", 403),
        ("policy-violation", 403),
        ("recipient-unavailable", 480),
        ("redirect", 480),
        ("registration-required", 403),
        ("remote-server-not-found", 404),
        ("remote-server-timeout", 408),
        ("resource-constraint", 500),
        ("service-unavailable", 403),
        ("subscription-required", 400),
        ("undefined-condition", 400),
        ("unexpected-request", 400),
        ("never-heard-of", 599),
    ],
)
def test_conditions(condition: str, status: int) -> None:
    stanza = element(
        failed(f"<error code='599' type='cancel'><text {NS}>no</text><{condition} {NS}/></error>")
    )
    assert stanza_error.condition(stanza) == condition
    assert stanza_error.sip_status(stanza) == status
    assert stanza_error.text(stanza) == f"{condition}: no"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("404", 404),
        ("406", 406),
        ("500", 500),
        ("401", 403),
        ("402", 403),
        ("407", 403),
        ("503", 403),
        ("302", 480),
        ("700", 480),
        ("4040", 480),
        ("x", 480),
        ("٤٠٤", 480),
        ("", 480),
    ],
)
def test_codes(code: str, status: int) -> None:
    stanza = element(failed(f"<error code='{code}'>old</error>"))
    assert stanza_error.sip_status(stanza) == status
    assert stanza_error.condition(stanza) == stanza_error.text(stanza) == ""


def test_no_error_at_all() -> None:
    stanza = element(failed("<query xmlns='apple:iq:vc:request'/>"))
    assert stanza_error.sip_status(stanza) == stanza_error.UNKNOWN_STATUS
    assert stanza_error.text(stanza) == stanza_error.condition(stanza) == ""


def test_long_words_are_cut() -> None:
    stanza = element(failed(f"<error><text {NS}>{'x' * 9999}</text></error>"))
    assert len(stanza_error.text(stanza)) == 500


@pytest.mark.parametrize(
    ("status", "condition", "type_"),
    [
        (300, "recipient-unavailable", "wait"),
        (301, "recipient-unavailable", "wait"),
        (380, "not-acceptable", "modify"),
        (400, "bad-request", "modify"),
        (401, "forbidden", "auth"),
        (403, "forbidden", "auth"),
        (404, "item-not-found", "cancel"),
        (405, "feature-not-implemented", "cancel"),
        (407, "forbidden", "auth"),
        (408, "remote-server-timeout", "wait"),
        (410, "gone", "cancel"),
        (413, "policy-violation", "modify"),
        (423, "resource-constraint", "wait"),
        (480, "recipient-unavailable", "wait"),
        (484, "item-not-found", "cancel"),
        (486, "recipient-unavailable", "wait"),
        (488, "not-acceptable", "modify"),
        (491, "unexpected-request", "wait"),
        (499, "bad-request", "modify"),
        (500, "internal-server-error", "cancel"),
        (502, "remote-server-not-found", "cancel"),
        (503, "internal-server-error", "cancel"),
        (504, "remote-server-timeout", "wait"),
        (599, "internal-server-error", "cancel"),
        (603, "recipient-unavailable", "wait"),
        (604, "item-not-found", "cancel"),
        (606, "not-acceptable", "modify"),
        (699, "recipient-unavailable", "wait"),
        (200, "undefined-condition", "cancel"),
    ],
)
def test_sip_statuses(status: int, condition: str, type_: str) -> None:
    assert stanza_error.of_status(status) == (condition, type_)
