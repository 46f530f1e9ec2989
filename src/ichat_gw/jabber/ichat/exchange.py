"""Reading the four exchanges of iChat: `<iq type='set'>` with a query in `apple:iq:vc:*`.

`ichat_gw.jabber.stanza` writes them.
"""

from dataclasses import dataclass
from typing import TypeAlias
from xml.etree.ElementTree import Element

from ichat_gw.jabber import xmlns
from ichat_gw.jabber.ichat import blob


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody calls; `blob` is its connect data, "" when it sent none."""

    blob: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The call is taken; `blob` says where to send the INVITE and is not empty."""

    blob: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The call is refused."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """The caller gives up."""


@dataclass(frozen=True, slots=True)
class CounterProposal:
    """Some iChat versions propose other connect data before they answer.

    It is no answer: its user has not been asked yet, or has not decided.
    """


Exchange: TypeAlias = Request | Accepted | Declined | Cancel | CounterProposal


def read(query: Element) -> Exchange | None:
    """What `query` says; None when it is none of the four.

    Only `response` 0 with connect data accepts a call. Whatever else a client answers is a refusal, also
    1 with data (some clients send theirs in any case), 0 without, and no number at all: an INVITE to a
    client that did not want it would leave the caller ringing.
    """
    match query.tag:
        case "{apple:iq:vc:request}query":
            return Request(_text(query, "VCNewCallerIPPortData"))
        case "{apple:iq:vc:response}query":
            data = _text(query, "connectData")
            return Accepted(data) if data and _text(query, "response") == "0" else Declined()
        case "{apple:iq:vc:cancel}query":
            return Cancel()
        case "{apple:iq:vc:counterProposal}query":
            return CounterProposal()
        case _:
            return None


def is_request(query: Element) -> bool:
    """Whether `query` is that of a `vc:request`, as in an error that returns ours."""
    return query.tag == f"{{{xmlns.VC_REQUEST}}}query"


def _text(query: Element, name: str) -> str:
    """The trimmed text of the child `name`.

    Too much of it is cut to a length that is still too much, so that the gateway sees that it is not
    usable and no message becomes too long to be sent there.
    """
    for child in query:
        if child.tag.rpartition("}")[2] == name:
            return (child.text or "").strip()[: blob.MAX_DIGITS + 1]
    return ""
