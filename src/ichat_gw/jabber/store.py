"""What must survive a restart: who is subscribed to what. And the file in which the original kept it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ichat_gw.addressing.jid import InvalidJid, Jid
from ichat_gw.errors import GatewayError

USERDB = "ichat-gw.userdb"
"""Where the original kept the subscriptions: a file of this name in its current directory."""


class StoreError(GatewayError):
    """The store cannot be opened, read or written; the message names the file and the remedy."""


class SubscriptionStore(Protocol):
    """A table of (user, contact): the user's bare JID, the gateway JID. Every method may raise StoreError."""

    def load(self) -> list[tuple[str, str]]:
        """Everything."""

    def remember(self, user: str, contact: str) -> None:
        """Add a pair, safely on disk when this returns. Adding it again does nothing."""

    def forget(self, user: str, contact: str) -> None:
        """Remove a pair, safely on disk when this returns. Removing what is not there does nothing."""

    def close(self) -> None:
        """Give the store back. May be called twice."""


@dataclass(frozen=True, slots=True)
class Userdb:
    """What was read from a file of the original."""

    subscriptions: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    """A sentence for each line that was skipped, with its number."""


def parse_userdb(data: bytes) -> Userdb:
    """Read an `ichat-gw.userdb` of the original.

    Its first line is `v1`; then comes each user's bare JID on a line of its own, followed by one line for
    each gateway JID that this user is subscribed to, indented by one tab. Lines that make no sense are
    skipped; without `v1` there is nothing that does.
    """
    lines = data.decode("utf-8", "replace").removeprefix("\ufeff").splitlines()
    if not lines or lines[0].strip() != "v1":
        return Userdb((), ("line 1: is not `v1`; the whole file is skipped",))
    warnings: list[str] = []
    pairs = dict.fromkeys(_pairs(lines, warnings))
    return Userdb(tuple(pairs), tuple(warnings))


def _pairs(lines: list[str], warnings: list[str]) -> Iterator[tuple[str, str]]:
    user: str | None = None
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        indented = line.startswith("\t")
        try:
            jid = Jid.parse(line.strip())
            if not jid.local:
                raise InvalidJid(f"{line.strip()!r} has no user part")
        except InvalidJid as error:
            warnings.append(f"line {number}: {error}; skipped")
            user = user if indented else None
            continue
        if not indented:
            user = str(jid.bare)
        elif user is None:
            warnings.append(f"line {number}: belongs to no user; skipped")
        else:
            yield user, str(jid.bare)
