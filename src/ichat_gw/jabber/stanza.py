"""The one place that writes XML: every stanza this program sends is made here.

All text from elsewhere passes `escape`, so that no address, number or blob can break a stanza, and no
character that XML 1.0 forbids can break the stream. Attributes and children are in the order in which the
original gateway sent them.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from ichat_gw.jabber import xmlns

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile("[^\x20-\x7e]|[&<>'\"]")
_ENTITIES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "'": "&apos;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


def escape(text: str) -> str:
    """`text` for an attribute or for character data; what XML 1.0 (2.2) forbids is left out."""
    if not _SPECIAL.search(text):
        return text
    return _FORBIDDEN.sub("", text).translate(_ENTITIES)


# --- presence -------------------------------------------------------------------------------------------

_SPEED_DIAL_CAPS = f"<c xmlns='{xmlns.CAPS}' node='apple:ichat:caps' ver='448' ext='avavail avcap audio'/>"


def available(to: str, from_: str) -> str:
    """Presence of the control JID: online, without capabilities."""
    return f"<presence to='{escape(to)}' from='{escape(from_)}'><priority>0</priority></presence>"


def callable_(to: str, from_: str) -> str:
    """Presence of a speed dial: an iChat that can take an audio call.

    Version 448 is that of no real iChat, so nobody's cached capabilities are confused with ours.
    """
    return (
        f"<presence to='{escape(to)}' from='{escape(from_)}'><priority>0</priority>"
        f"{_SPEED_DIAL_CAPS}</presence>"
    )


def presence(type_: str, to: str, from_: str) -> str:
    """Presence that says only its type: subscribe, subscribed, unsubscribed, probe, unavailable."""
    return f"<presence type='{escape(type_)}' to='{escape(to)}' from='{escape(from_)}'/>"


# --- messages -------------------------------------------------------------------------------------------


def message(to: str, from_: str, body: str) -> str:
    """A message of type normal."""
    return (
        f"<message to='{escape(to)}' from='{escape(from_)}' type='normal'>"
        f"<body>{escape(body)}</body></message>"
    )


def page(
    to: str, from_: str, id_: str, body: str, *, subject: str = "", thread: str = "", language: str = ""
) -> str:
    """A message that came from SIP: of type normal (RFC 7572 section 5), and no further than to a person.

    Max-Forwards 0 (XEP-0131) tells a gateway of ours behind that JID not to bring it back to SIP.
    """
    inside = f"<subject>{escape(subject)}</subject>" if subject else ""
    inside += f"<body>{escape(body)}</body>"
    inside += f"<thread>{escape(thread)}</thread>" if thread else ""
    return (
        f"<message to='{escape(to)}' from='{escape(from_)}' id='{escape(id_)}' type='normal'"
        f"{_attribute('xml:lang', language)}>{inside}<headers xmlns='{xmlns.MESSAGE_HEADERS}'>"
        "<header name='Max-Forwards'>0</header></headers></message>"
    )


def message_error(to: str, from_: str, id_: str, condition: str, type_: str, text: str) -> str:
    """The answer to a message that could not be delivered (RFC 6120 8.3)."""
    words = f"<text xmlns='{xmlns.STANZA_ERRORS}' xml:lang='en'>{escape(text)}</text>" if text else ""
    return (
        f"<message to='{escape(to)}' from='{escape(from_)}'{_attribute('id', id_)} type='error'>"
        f"<error type='{escape(type_)}'><{condition} xmlns='{xmlns.STANZA_ERRORS}'/>{words}</error></message>"
    )


# --- IQ -------------------------------------------------------------------------------------------------


def result(to: str, from_: str, id_: str, payload: str = "") -> str:
    """The answer to an IQ; `payload` is XML made by one of the functions below."""
    return f"<iq to='{escape(to)}' from='{escape(from_)}' id='{escape(id_)}' type='result'>{payload}</iq>"


def error(to: str, from_: str, id_: str, condition: str, type_: str = "cancel") -> str:
    """The refusal of an IQ, with a condition of RFC 6120 8.3.3."""
    return (
        f"<iq to='{escape(to)}' from='{escape(from_)}' id='{escape(id_)}' type='error'>"
        f"<error type='{escape(type_)}'><{condition} xmlns='{xmlns.STANZA_ERRORS}'/></error></iq>"
    )


def ping(to: str, from_: str, id_: str) -> str:
    """XEP-0199."""
    return (
        f"<iq type='get' id='{escape(id_)}' to='{escape(to)}' from='{escape(from_)}'>"
        f"<ping xmlns='{xmlns.PING}'/></iq>"
    )


def disco_info_request(to: str, from_: str, id_: str) -> str:
    """Ask who somebody is (XEP-0030)."""
    return (
        f"<iq type='get' id='{escape(id_)}' to='{escape(to)}' from='{escape(from_)}'>"
        f"<query xmlns='{xmlns.DISCO_INFO}'/></iq>"
    )


def disco_info(identities: Iterable[tuple[str, str, str]], features: Iterable[str], node: str = "") -> str:
    """The payload of a disco#info answer (XEP-0030); an identity is (category, type, name)."""
    named = "".join(
        f"<identity category='{escape(category)}' type='{escape(type_)}'{_attribute('name', name)}/>"
        for category, type_, name in identities
    )
    able = "".join(f"<feature var='{escape(feature)}'/>" for feature in features)
    return f"<query xmlns='{xmlns.DISCO_INFO}'{_attribute('node', node)}>{named}{able}</query>"


def disco_items(items: Iterable[tuple[str, str]] = (), node: str = "") -> str:
    """The payload of a disco#items answer (XEP-0030); an item is (JID, name)."""
    listed = "".join(f"<item jid='{escape(jid)}'{_attribute('name', name)}/>" for jid, name in items)
    return f"<query xmlns='{xmlns.DISCO_ITEMS}'{_attribute('node', node)}>{listed}</query>"


def last_activity(seconds: int) -> str:
    """The payload of a jabber:iq:last answer (XEP-0012)."""
    return f"<query xmlns='{xmlns.LAST}' seconds='{seconds}'/>"


def entity_time(now: datetime) -> str:
    """The payload of an urn:xmpp:time answer (XEP-0202); `now` has a time zone."""
    zone = now.strftime("%z")
    utc = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"<time xmlns='{xmlns.TIME}'><tzo>{zone[:3]}:{zone[3:5]}</tzo><utc>{utc}</utc></time>"


def vcard(name: str, jid: str, description: str = "") -> str:
    """A vCard (XEP-0054)."""
    more = f"<DESC>{escape(description)}</DESC>" if description else ""
    who = f"<FN>{escape(name)}</FN><JABBERID>{escape(jid)}</JABBERID>"
    return f"<vCard xmlns='{xmlns.VCARD}'>{who}{more}</vCard>"


def gateway_prompt(text: str) -> str:
    """The payload that asks for an address of the other network (XEP-0100 6.3)."""
    return f"<query xmlns='{xmlns.GATEWAY}'><desc>{escape(text)}</desc><prompt/></query>"


def gateway_jid(jid: str) -> str:
    """The payload that says which JID such an address has here."""
    return f"<query xmlns='{xmlns.GATEWAY}'><jid>{escape(jid)}</jid></query>"


def version(name: str, number: str) -> str:
    """The payload of a jabber:iq:version answer (XEP-0092)."""
    return (
        f"<query xmlns='{xmlns.VERSION}'><name>{escape(name)}</name>"
        f"<version>{escape(number)}</version></query>"
    )


def _attribute(name: str, value: str) -> str:
    return f" {name}='{escape(value)}'" if value else ""


# --- iChat ----------------------------------------------------------------------------------------------


def vc_request(to: str, from_: str, id_: str, blob: str) -> str:
    """Start a call with an iChat client. Audio only; the external address is never used."""
    return _vc(
        "request",
        to,
        from_,
        id_,
        f"<VCNewCallerIPPortData>{escape(blob)}</VCNewCallerIPPortData>"
        "<isAudioOnly>1</isAudioOnly><extSIPPort>0</extSIPPort><extIPAddr>127.0.0.1</extIPAddr>",
    )


def vc_accept(to: str, from_: str, id_: str, blob: str) -> str:
    """Take the call of an iChat client; it will send its INVITE to an address of `blob`."""
    return _vc("response", to, from_, id_, f"<response>0</response><connectData>{escape(blob)}</connectData>")


def vc_refuse(to: str, from_: str, id_: str) -> str:
    """Refuse the call of an iChat client."""
    return _vc("response", to, from_, id_, "<response>1</response><connectData/>")


def vc_cancel(to: str, from_: str, id_: str) -> str:
    """Take back a request, or an acceptance whose INVITE has not come."""
    return _vc("cancel", to, from_, id_, "")


def _vc(kind: str, to: str, from_: str, id_: str, children: str) -> str:
    return (
        f"<iq type='set' id='{escape(id_)}' to='{escape(to)}' from='{escape(from_)}'>"
        f"<query xmlns='{xmlns.VC}{kind}'>{children}<VCProtocolVersion>1</VCProtocolVersion></query></iq>"
    )
