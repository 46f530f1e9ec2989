"""Dialogs (RFC 3261 section 12): who the two ends are, what number comes next, and which way to go.

A dialog builds its requests without Via, because only who sends them knows from where.
"""

import re

from ichat_gw.addressing.sip_uri import InvalidSipUri, NameAddr, SipUri
from ichat_gw.sip.events import Flow
from ichat_gw.sip.message import Headers, Request, Response

COMPAT_VICEROY = "Viceroy"
"""COMPAT iChat: how the User-Agent of its SIP stack begins."""


class Dialog:
    """One end of a dialog.

    `local` and `remote` are the From and To values that we write, with their tags. `pinned` says that
    requests go to `remote_target`, by the way that the INVITE took, whatever Contact and Record-Route say.
    COMPAT iChat: its Contact can name an address that only it knows.
    """

    __slots__ = (
        "allows_update",
        "call_id",
        "confirmed",
        "contact",
        "local",
        "local_seq",
        "local_tag",
        "pinned",
        "remote",
        "remote_seq",
        "remote_tag",
        "remote_target",
        "route_set",
    )

    def __init__(
        self,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        *,
        local_seq: int = 0,
        remote_seq: int | None = None,
        remote_target: str,
        route_set: tuple[str, ...] = (),
        contact: str,
        pinned: bool = False,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        """Empty when the other end is of RFC 2543 and gave none."""
        self.local_seq = local_seq
        """Number of the latest request we sent."""
        self.remote_seq = remote_seq
        """Number of the latest request they sent; None before the first."""
        self.remote_target = remote_target
        self.route_set = route_set
        """Route values, the next hop first."""
        self.contact = contact
        """Our Contact, in angle brackets."""
        self.pinned = pinned
        self.confirmed = False
        """False while the dialog is early (no 2xx yet)."""
        self.allows_update = False
        """The other end has said that it takes UPDATE (RFC 3311)."""

    @classmethod
    def of_server(cls, invite: Request, local_tag: str, contact: str, pinned_to: str | None) -> "Dialog":
        """Begin the dialog of an INVITE that we received (section 12.1.1).

        `pinned_to` is the URI that requests go to when the dialog is pinned, or None.
        """
        to = invite.headers.get("To") or ""
        dialog = cls(
            invite.call_id,
            f"{to};tag={local_tag}",
            local_tag,
            invite.headers.get("From") or "",
            invite.from_.tag or "",
            remote_seq=invite.cseq.number,
            remote_target=pinned_to or (invite.contact.uri if invite.contact else invite.from_.uri),
            route_set=() if pinned_to else tuple(str(route) for route in invite.record_routes),
            contact=contact,
            pinned=pinned_to is not None,
        )
        dialog._note_allow(invite)
        return dialog

    @classmethod
    def of_client(cls, invite: Request, response: Response, contact: str, pinned: bool) -> "Dialog":
        """Begin the dialog that a response to our INVITE makes (section 12.1.2)."""
        dialog = cls(
            invite.call_id,
            invite.headers.get("From") or "",
            invite.from_.tag or "",
            response.headers.get("To") or "",
            response.to.tag or "",
            local_seq=invite.cseq.number,
            remote_target=invite.uri,
            contact=contact,
            pinned=pinned,
        )
        dialog.learn(response)
        return dialog

    def learn(self, response: Response) -> None:
        """Take target and route set from a response to our INVITE; the 2xx overrules (13.2.2.4)."""
        if not self.pinned:
            self.route_set = tuple(str(route) for route in reversed(response.record_routes))
        self.refresh(response)
        self.confirmed = response.status >= 200

    def refresh(self, message: Request | Response) -> None:
        """Take the remote target from the Contact of a target refresh (section 12.2), if it has one."""
        self._note_allow(message)
        if not self.pinned and message.contact is not None:
            self.remote_target = message.contact.uri

    def _note_allow(self, message: Request | Response) -> None:
        if lines := message.headers.get_all("Allow"):
            self.allows_update = "UPDATE" in re.split(r"[,\s]+", " ".join(lines).upper())

    def in_order(self, request: Request) -> bool:
        """Count a request of theirs; False if it comes behind a later one (500, section 12.2.2)."""
        number = request.cseq.number
        if self.remote_seq is not None and number <= self.remote_seq:
            return False
        self.remote_seq = number
        return True

    def request(self, method: str, user_agent: str) -> Request:
        """Make the next request of ours in this dialog (section 12.2.1.1), without Via and body."""
        return self._request(method, self.next_number(), user_agent)

    def next_number(self) -> int:
        """Take the CSeq number for the next request of ours."""
        self.local_seq += 1
        return self.local_seq

    def ack(self, invite_number: int, user_agent: str) -> Request:
        """Make the ACK to a 2xx to our INVITE with that CSeq number (section 13.2.2.4)."""
        return self._request("ACK", invite_number, user_agent)

    @property
    def next_hop(self) -> str:
        """The URI that says where requests go (section 8.1.2): the first route, or the target."""
        return NameAddr.parse(self.route_set[0]).uri if self.route_set else self.remote_target

    def _request(self, method: str, number: int, user_agent: str) -> Request:
        target, routes = self.remote_target, list(self.route_set)
        if routes and not _is_loose(first := NameAddr.parse(routes[0]).uri):
            # A strict router, of RFC 2543, wants to find itself in the Request-URI.
            target, routes = first, [*routes[1:], f"<{self.remote_target}>"]
        headers = Headers([("Max-Forwards", "70")])
        for route in routes:
            headers.add("Route", route)
        headers.add("Contact", self.contact)
        headers.add("To", self.remote)
        headers.add("From", self.local)
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{number} {method}")
        headers.add("User-Agent", user_agent)
        return Request(method, target, headers)


def _is_loose(uri: str) -> bool:
    try:
        return SipUri.parse(uri).has_param("lr")
    except InvalidSipUri:
        return False


def is_viceroy(message: Request | Response) -> bool:
    """Tell whether iChat's own SIP stack sent this."""
    return (message.headers.get("User-Agent") or "").startswith(COMPAT_VICEROY)


def contact_uri(user: str | None, flow: Flow, *, secure: bool = False) -> SipUri:
    """Write our Contact for requests that come by the transport of `flow`; `user` is not escaped yet.

    `secure` gives a `sips` URI, which RFC 3261 section 12.1.1 asks for where the other side used one.
    """
    named = flow.transport != "UDP" and not secure
    params = (("transport", flow.transport.lower()),) if named else ()
    return SipUri.build(user, *flow.local, params, "sips" if secure else "sip")


def sip_host(address: str) -> str:
    """Write an IP address as the host of a URI or a Via: IPv6 in square brackets."""
    return f"[{address}]" if ":" in address else address
