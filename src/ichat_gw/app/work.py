"""How a word travels inside the gateway: one queue, so that nothing overtakes anything."""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ichat_gw.app.events import GatewayCommand, Note

if TYPE_CHECKING:
    from ichat_gw.app.calls import Call


class Work:
    """What the parts of a gateway have said and nobody has heard yet, and what is to go to the shell."""

    def __init__(self, node: str = "") -> None:
        self._node = node
        self._handles = 0
        self.now = 0.0
        """The time of the event that is being worked on."""
        self.queue: deque[tuple[Call | None, object]] = deque()
        """What was said, and the call that it is about where the word does not tell that itself."""
        self._out: list[GatewayCommand] = []

    @property
    def next_handle(self) -> str:
        """What `new_handle` will give: the call that is about to begin, for the log."""
        return f"{self._node}-{self._handles + 1}"

    def new_handle(self) -> str:
        """A name for a call that no other call has, here or at another node."""
        handle = self.next_handle
        self._handles += 1
        return handle

    def push(self, call: "Call | None", commands: Iterable[object]) -> None:
        """Put what a part said at the end."""
        self.queue.extend((call, command) for command in commands)

    def send(self, command: GatewayCommand) -> None:
        """For the shell."""
        self._out.append(command)

    def note(self, level: str, event: str, call: str | None = None, **fields: object) -> None:
        """A line for the log."""
        self._out.append(Note(level, event, call, tuple(fields.items())))

    def take(self) -> list[GatewayCommand]:
        """What is to go to the shell, once."""
        out, self._out = self._out, []
        return out
