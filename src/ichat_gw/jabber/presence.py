"""Which iChat devices of which users are online, and which of them is most available.

A user is *available* while at least one iChat resource is online; becoming and ceasing to be so is told to
the gateway, which registers the user's address with the SIP registrar.

While the stream to the XMPP server is down nothing is known about anybody, but a server that restarts is
back in seconds: users stay registered for `GRACE` seconds, and after all have been asked again each has
`CONFIRM` seconds to show up, before they are un-registered. Otherwise every restart of the XMPP server
would be a storm at the registrar, and nobody could be called in it.
"""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from ichat_gw.ipc.messages import SipRegisterJabberUser, SipUnregisterJabberUser
from ichat_gw.jabber import jid, xmlns
from ichat_gw.jabber.events import ConnectorCommand, Dropped, Tell

GRACE = 60.0
"""Seconds without a stream before all users count as offline."""

CONFIRM = 30.0
"""Seconds after everybody was asked in which users must show that they are still online."""

MAX_USERS = 100_000
MAX_RESOURCES = 32
"""More users, or devices of one, are not taken note of: anyone may send us presence."""

ICHAT_NODES = frozenset({"apple:ichat:caps", "http://www.apple.com/ichat/caps"})

_CAPS = f"{{{xmlns.CAPS}}}c"
_SHOW = {"chat": 0, "": 1, "away": 2, "xa": 3, "dnd": 4}


@dataclass(frozen=True, slots=True)
class Device:
    """What the presence of an iChat resource says."""

    show: int
    """0 chat, 1 plainly available, 2 away, 3 away for long, 4 do not disturb."""
    priority: int
    """-128..127, higher is better."""
    free: bool
    """Whether it can be called: iChat takes `avavail` from its capabilities while it is in a call."""


def read_device(presence: Element) -> Device | None:
    """The device that available presence describes; None when it is not an iChat."""
    show, priority, ext = 1, 0, None
    for child in presence:
        tag = child.tag
        if tag == _CAPS:
            if child.get("node") in ICHAT_NODES:
                ext = child.get("ext", "")
        elif tag.endswith("}show"):
            show = _SHOW.get((child.text or "").strip(), 1)
        elif tag.endswith("}priority"):
            priority = _read_priority(child.text or "")
    return None if ext is None else Device(show, priority, "avavail" in ext.split())


def _read_priority(text: str) -> int:
    try:
        return max(-128, min(127, int(text)))
    except ValueError:
        return 0


class Users:
    """The iChat devices that are online, by user; and who is registered with the gateway."""

    def __init__(self) -> None:
        self._devices: dict[str, dict[str, Device]] = {}
        self._registered: set[str] = set()
        self._confirm_by: float | None = None

    def __len__(self) -> int:
        return len(self._devices)

    def devices(self, user: str) -> dict[str, Device]:
        """The iChat devices of `user` (bare JID) that are online, by resource. Not to be changed."""
        return self._devices.get(user, {})

    def most_available(self, user: str) -> list[str]:
        """The full JIDs of the free iChat devices that tie for most available: by show, then priority."""
        free = {name: device for name, device in self.devices(user).items() if device.free}
        if not free:
            return []
        best = min((device.show, -device.priority) for device in free.values())
        return [f"{user}/{name}" for name, device in free.items() if (device.show, -device.priority) == best]

    def online(self, full: str, device: Device) -> list[ConnectorCommand]:
        """An iChat device is, or still is, online."""
        user, name = jid.bare(full), jid.resource(full)
        devices = self._devices.get(user)
        if devices is None:
            if len(self._devices) >= MAX_USERS:
                return [Dropped("too many users online")]
            self._devices[user] = {name: device}
            return self._register(user)
        if name not in devices and len(devices) >= MAX_RESOURCES:
            return [Dropped("too many devices of one user")]
        devices[name] = device
        return []

    def offline(self, full: str) -> list[ConnectorCommand]:
        """A device went offline, or is no iChat any more."""
        user = jid.bare(full)
        devices = self._devices.get(user)
        if devices is None or devices.pop(jid.resource(full), None) is None or devices:
            return []
        return self.gone(user)

    def gone(self, user: str) -> list[ConnectorCommand]:
        """All devices of `user` are offline, or we may not see them any more."""
        self._devices.pop(user, None)
        if user not in self._registered:
            return []
        self._registered.discard(user)
        return [Tell(SipUnregisterJabberUser(user))]

    def registered(self) -> list[ConnectorCommand]:
        """Every registration once more, for a gateway that has just come."""
        return [Tell(SipRegisterJabberUser(user)) for user in sorted(self._registered)]

    def stream_up(self, all_asked: float) -> None:
        """The server answers again; everybody will have been asked for presence at that time."""
        self._confirm_by = all_asked + CONFIRM if self._registered else None

    def stream_down(self, now: float) -> None:
        """From here on nothing is known."""
        self._devices.clear()
        self._confirm_by = now + GRACE if self._registered else None

    def stop(self) -> None:
        """Forget everybody. The gateway un-registers its users by itself when it is it that stops."""
        self._devices.clear()
        self._registered.clear()
        self._confirm_by = None

    def deadline(self) -> float | None:
        """When those who have not shown up are given up."""
        return self._confirm_by

    def expire(self, now: float) -> list[ConnectorCommand]:
        """Un-register those who have not shown up, if it is time."""
        if self._confirm_by is None or now < self._confirm_by:
            return []
        self._confirm_by = None
        lost = sorted(self._registered - self._devices.keys())
        self._registered.difference_update(lost)
        return [Tell(SipUnregisterJabberUser(user)) for user in lost]

    def _register(self, user: str) -> list[ConnectorCommand]:
        if user in self._registered:
            return []
        self._registered.add(user)
        return [Tell(SipRegisterJabberUser(user))]
