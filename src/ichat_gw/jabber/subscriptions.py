"""Who has which of our JIDs on the contact list.

A user adds the control JID (always allowed) or a speed dial (allowed when a translation rule matches it,
which the gateway knows). We say `subscribed`, show presence, and ask back *from the control JID* for the
user's own presence. The table outlives restarts in a store: after each connect every subscribed user is
probed and shown the presence of the contacts again, some users at a time so that calls need not wait.
"""

from collections import deque
from collections.abc import Iterable

from ichat_gw.clock import Timers
from ichat_gw.ipc.messages import CheckSubscription
from ichat_gw.jabber import jid, stanza
from ichat_gw.jabber.events import (
    ConnectorCommand,
    Dropped,
    ForgetSubscription,
    RememberSubscription,
    SendStanza,
    Tell,
)
from ichat_gw.jabber.settings import ConnectorConfig

CHECK_SECONDS = 30.0
"""How long the gateway may take to say whether a subscription is allowed. Later answers are ignored: the
user's server asks again."""

MAX_CHECKS = 10_000
"""Most questions to the gateway at a time."""

MAX_CONTACTS = 500
"""Most contacts of one user."""

MAX_USERS = 100_000
"""Most subscribed users."""

GREETING_BATCH = 10
GREETING_PAUSE = 0.01
"""After a connect, so many users are greeted, then so many seconds are left to others.

Each may have to be registered at the SIP side, which takes the gateway 0.3 ms: a thousand a second leave it
time for calls. With 2500 a second a caller waited a second longer for an answer (`make bench`).
"""


class Subscriptions:
    """The table, and the presence that depends on it."""

    def __init__(self, config: ConnectorConfig, stored: Iterable[tuple[str, str]] = ()) -> None:
        self._control = config.control
        self._contacts: dict[str, set[str]] = {}
        self._checks: Timers[tuple[str, str]] = Timers()
        self._to_greet: deque[str] = deque()
        self._greet_at: float | None = None
        for user, contact in stored:
            self._contacts.setdefault(user, set()).add(contact)

    def __len__(self) -> int:
        return len(self._contacts)

    @property
    def checks(self) -> int:
        """How many questions to the gateway are open."""
        return len(self._checks)

    @property
    def greeting_seconds(self) -> float:
        """How long it takes to greet everybody."""
        return len(self._contacts) / GREETING_BATCH * GREETING_PAUSE

    def contacts(self, user: str) -> list[str]:
        """The gateway JIDs that `user` is subscribed to."""
        return sorted(self._contacts.get(user, ()))

    # --- what users do ----------------------------------------------------------------------------------

    def subscribe(self, user: str, contact: str, now: float) -> list[ConnectorCommand]:
        """`user` wants to see the presence of `contact`."""
        if contact == self._control:
            return self._accept(user, contact)
        if (user, contact) in self._checks:
            return []
        if len(self._checks) >= MAX_CHECKS:
            return [Dropped("too many subscriptions to check")]
        self._checks.set((user, contact), now + CHECK_SECONDS)
        return [Tell(CheckSubscription(contact, user))]

    def checked(self, user: str, contact: str, allowed: bool) -> list[ConnectorCommand]:
        """The gateway says whether `user` may be subscribed to `contact`."""
        if (user, contact) not in self._checks:
            return [Dropped("answer to no question about a subscription")]
        self._checks.clear((user, contact))
        return self._accept(user, contact) if allowed else self._refuse(user, contact)

    def unsubscribe(self, user: str, contact: str) -> list[ConnectorCommand]:
        """`user` takes `contact` off the list."""
        self._checks.clear((user, contact))
        return self._refuse(user, contact)

    def deleted(self, user: str) -> list[ConnectorCommand]:
        """The account of `user` is gone for good."""
        return [ForgetSubscription(user, contact) for contact in sorted(self._contacts.pop(user, ()))]

    def probe(self, user: str, contact: str) -> list[ConnectorCommand]:
        """The server of `user` asks for the presence of `contact`."""
        return [SendStanza(self._presence(user, contact))]

    # --- the stream -------------------------------------------------------------------------------------

    def stream_up(self, now: float) -> list[ConnectorCommand]:
        """Greet everybody, beginning now."""
        self._to_greet = deque(self._contacts)
        self._greet_at = now
        return self.expire(now)

    def stream_down(self) -> None:
        """Nothing can be said; after the reconnect everything is said again."""
        self._to_greet.clear()
        self._greet_at = None

    def stop(self) -> list[ConnectorCommand]:
        """Say `unavailable` to everybody, as every contact. The subscriptions remain."""
        self.stream_down()
        self._checks = Timers()
        return [
            SendStanza(stanza.presence("unavailable", user, contact))
            for user in self._contacts
            for contact in self.contacts(user)
        ]

    def deadline(self) -> float | None:
        """When the next users are greeted or an open question is given up."""
        check = self._checks.deadline()
        if check is None or self._greet_at is None:
            return check if self._greet_at is None else self._greet_at
        return min(check, self._greet_at)

    def expire(self, now: float) -> list[ConnectorCommand]:
        """Greet some users, give up old questions."""
        given_up = self._checks.due(now)
        commands: list[ConnectorCommand] = [Dropped("subscription never checked") for _ in given_up]
        if self._greet_at is not None and now >= self._greet_at:
            for _ in range(min(GREETING_BATCH, len(self._to_greet))):
                commands += self._greet(self._to_greet.popleft())
            self._greet_at = now + GREETING_PAUSE if self._to_greet else None
        return commands

    # --- inside -----------------------------------------------------------------------------------------

    def _greet(self, user: str) -> list[ConnectorCommand]:
        contacts = self.contacts(user)
        if not contacts:
            return []
        return [
            SendStanza(stanza.presence("probe", user, self._control)),
            *(SendStanza(self._presence(user, contact)) for contact in contacts),
        ]

    def _accept(self, user: str, contact: str) -> list[ConnectorCommand]:
        contacts = self._contacts.get(user)
        full = len(self._contacts) >= MAX_USERS if contacts is None else len(contacts) >= MAX_CONTACTS
        if full and (contacts is None or contact not in contacts):
            return [Dropped("too many subscriptions"), *self._refuse(user, contact)]
        self._contacts.setdefault(user, set()).add(contact)
        return [
            RememberSubscription(user, contact),
            SendStanza(stanza.presence("subscribed", user, contact)),
            SendStanza(self._presence(user, contact)),
            SendStanza(stanza.presence("subscribe", user, self._control)),
        ]

    def _refuse(self, user: str, contact: str) -> list[ConnectorCommand]:
        commands: list[ConnectorCommand] = [SendStanza(stanza.presence("unsubscribed", user, contact))]
        contacts = self._contacts.get(user)
        if contacts is not None and contact in contacts:
            contacts.discard(contact)
            if not contacts:
                del self._contacts[user]
            commands.append(ForgetSubscription(user, contact))
        return commands

    def _presence(self, user: str, contact: str) -> str:
        """The control JID and the bare component cannot be called, everybody else can."""
        if contact == self._control or not jid.localpart(contact):
            return stanza.available(user, contact)
        return stanza.callable_(user, contact)
