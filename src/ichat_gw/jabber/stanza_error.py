"""What a stanza of type error says went wrong, and which SIP status that is, both ways (RFC 7247, 6)."""

from xml.etree.ElementTree import Element

from ichat_gw.jabber import xmlns

_STATUS = {
    "bad-request": 400,
    "conflict": 400,
    "feature-not-implemented": 405,
    "forbidden": 403,
    # 301 needs a new address, which we could not check; RFC 7247 gives 410 for a user that is just gone.
    "gone": 410,
    "internal-server-error": 500,
    "item-not-found": 404,
    "jid-malformed": 400,
    "not-acceptable": 406,
    "not-allowed": 403,
    # Not 401 and 407: those must carry a challenge (RFC 3261), and there is none the caller could answer.
    "not-authorized": 403,
    "registration-required": 403,
    "policy-violation": 403,
    "recipient-unavailable": 480,
    # 302 would be for a Contact that we do not have.
    "redirect": 480,
    "remote-server-not-found": 404,
    "remote-server-timeout": 408,
    "resource-constraint": 500,
    # Not 503, which says that the SIP server is overloaded and makes proxies avoid us.
    "service-unavailable": 403,
    "subscription-required": 400,
    "undefined-condition": 400,
    "unexpected-request": 400,
}

_LEGACY = {401: 403, 402: 403, 407: 403, 503: 403}
"""Error codes of the old `code` attribute (XEP-0086) that are not passed on as they are, as above."""

UNKNOWN_STATUS = 480

_CONDITIONS = {
    condition: statuses
    for condition, *statuses in (
        ("bad-request", 400, 402, 493),
        # Not not-authorized and registration-required: the challenge is for us, the user cannot answer it.
        ("forbidden", 401, 403, 407),
        ("item-not-found", 404, 481, 484, 485, 604),
        ("feature-not-implemented", 405, 420, 439, 501),
        ("not-acceptable", 380, 406, 415, 416, 421, 482, 483, 488, 505, 606),
        ("remote-server-timeout", 408, 504),
        # 301 is gone only with the new address, which we do not pass on.
        ("gone", 410),
        ("policy-violation", 413, 414, 440, 489, 513),
        ("resource-constraint", 423),
        ("recipient-unavailable", 430, 480, 486, 487, 600, 603),
        ("unexpected-request", 491),
        ("internal-server-error", 500, 503),
        ("remote-server-not-found", 502),
    )
}
_OF_STATUS = {status: condition for condition, statuses in _CONDITIONS.items() for status in statuses}
_OF_CLASS = {
    # Not redirect, which must say where to; the gateway follows redirections itself.
    3: "recipient-unavailable",
    4: "bad-request",
    5: "internal-server-error",
    6: "recipient-unavailable",
}

_TYPES = {
    "bad-request": "modify",
    "forbidden": "auth",
    "not-acceptable": "modify",
    "policy-violation": "modify",
    "recipient-unavailable": "wait",
    "remote-server-timeout": "wait",
    "resource-constraint": "wait",
    "unexpected-request": "wait",
}
"""The type that RFC 6120 8.3.3 gives a condition, where that is not `cancel`."""


def of_status(status: int) -> tuple[str, str]:
    """The condition and the type of the stanza error for a SIP status, 300..699 (RFC 7247, table 3)."""
    condition = _OF_STATUS.get(status) or _OF_CLASS.get(status // 100, "undefined-condition")
    return condition, _TYPES.get(condition, "cancel")


def condition(stanza: Element) -> str:
    """The defined condition (RFC 6120 8.3.3) in the stanza's error, or ""."""
    found = _error(stanza)
    prefix = f"{{{xmlns.STANZA_ERRORS}}}"
    for child in found if found is not None else ():
        if child.tag.startswith(prefix) and child.tag != prefix + "text":
            return child.tag[len(prefix) :]
    return ""


def sip_status(stanza: Element) -> int:
    """The SIP status for a call that failed with this stanza, 400..699.

    By the condition; else by the old numeric code, which are HTTP's and mostly mean the same in SIP.
    """
    status = _STATUS.get(condition(stanza))
    if status is not None:
        return status
    found = _error(stanza)
    code = found.get("code", "") if found is not None else ""
    number = int(code) if code.isascii() and code.isdigit() and len(code) == 3 else 0
    return _LEGACY.get(number, number) if 400 <= number <= 699 else UNKNOWN_STATUS


def text(stanza: Element) -> str:
    """Words for a log: the condition and the peer's own text."""
    found = _error(stanza)
    words = found.findtext(f"{{{xmlns.STANZA_ERRORS}}}text") if found is not None else None
    return ": ".join(part for part in (condition(stanza), (words or "").strip()) if part)[:500]


def _error(stanza: Element) -> Element | None:
    return next((child for child in stanza if child.tag.rpartition("}")[2] == "error"), None)
