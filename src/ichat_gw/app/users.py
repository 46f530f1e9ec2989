"""The XMPP users who have an iChat online, and the SIP addresses they are registered as meanwhile."""

from collections.abc import Iterable

from ichat_gw.addressing.translation import TranslationRules
from ichat_gw.call.routing import Network, Route, route
from ichat_gw.sip.events import StartRegistration, StopRegistration


class Users:
    """Who is online. Users are bare JIDs; the rules make their addresses of record."""

    def __init__(self, rules: TranslationRules) -> None:
        self._rules = rules
        self._online: dict[str, None] = {}
        """Everybody who is online, in the order of coming."""
        self._aors: dict[str, str] = {}
        """Those of them whom the rules give an address of record."""
        self._users_of: dict[str, dict[str, None]] = {}
        self._unseen: set[str] = set()
        self._sweep_at: float | None = None

    def __len__(self) -> int:
        return len(self._aors)

    def reconfigure(self, rules: TranslationRules) -> list[StartRegistration | StopRegistration]:
        """Go by other rules from now on; what is to be registered and un-registered for that."""
        self._rules = rules
        moved = [user for user in self._online if self.aor_of(user) != self._aors.get(user, "")]
        stops = [command for user in moved for command in self._leave(user)]
        return [*stops, *(command for user in moved for command in self._enter(user))]

    @property
    def online(self) -> Iterable[str]:
        """Everybody who is online, in the order of coming."""
        return self._online

    @property
    def aors(self) -> tuple[str, ...]:
        """Every address of record of those who are online, once."""
        return tuple(self._users_of)

    def registered_as(self, user: str) -> str:
        """The address of record of a user who is online, "" for anybody else; the rules are not asked."""
        return self._aors.get(user, "")

    def aor_of(self, user: str) -> str:
        """The address of record of a user, whether registered or not; "" when no rule makes one."""
        routed = route(f"xmpp:{user}", Network.XMPP, self._rules)
        return routed.target if isinstance(routed, Route) else ""

    def at(self, aor: str) -> str | None:
        """The user who is registered as `aor`: the one who came first, if several are."""
        return next(iter(self._users_of.get(aor, ())), None)

    def came(self, user: str) -> list[StartRegistration]:
        """The user came online, or is still; what is to be registered for that."""
        self._unseen.discard(user)
        self._online[user] = None
        return self._enter(user)

    def _enter(self, user: str) -> list[StartRegistration]:
        if user in self._aors or not (aor := self.aor_of(user)):
            return []
        self._aors[user] = aor
        users = self._users_of.setdefault(aor, {})
        users[user] = None
        return [StartRegistration(aor)] if len(users) == 1 else []

    def went(self, user: str) -> list[StopRegistration]:
        """The user went offline; what is to be un-registered for that."""
        self._unseen.discard(user)
        self._online.pop(user, None)
        return self._leave(user)

    def _leave(self, user: str) -> list[StopRegistration]:
        aor = self._aors.pop(user, None)
        if aor is None:
            return []
        users = self._users_of[aor]
        del users[user]
        if users:
            return []  # Two users may share one address of record; it stays registered for the other.
        del self._users_of[aor]
        return [StopRegistration(aor)]

    def all_went(self) -> list[StopRegistration]:
        """Nobody counts as online any more."""
        return self._went(list(self._online))

    # --- while the connector is away ----------------------------------------------------------------------

    def connector_died(self) -> None:
        """The next one knows of nobody, and will tell us of everybody anew."""
        self._unseen = set(self._online)
        self._sweep_at = None

    def connected(self, now: float, known_in: float) -> None:
        """Whoever is online will have been told to us in `known_in` seconds.

        A connector that has only lost its stream knows itself who does not come back. After the death of one
        the users stay registered until its successor can know, so that a short break un-registers nobody.
        """
        if self._unseen:
            self._sweep_at = now + known_in

    def disconnected(self) -> None:
        """Nobody can be told to us until the next connection."""
        self._sweep_at = None

    def deadline(self) -> float | None:
        """When those count as offline who have not been seen since."""
        return self._sweep_at

    def expire(self, now: float) -> list[StopRegistration]:
        """Un-register them if it is time."""
        if self._sweep_at is None or now < self._sweep_at:
            return []
        self._sweep_at = None
        return self._went(sorted(self._unseen))

    def _went(self, users: Iterable[str]) -> list[StopRegistration]:
        return [command for user in users for command in self.went(user)]
