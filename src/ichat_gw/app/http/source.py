"""What the status page, the API and the metrics can tell."""

from typing import Protocol

from ichat_gw.ops.api import (
    CallRecord,
    Calls,
    LiveCall,
    Records,
    ReloadReply,
    RuleTrial,
    Series,
    SettingValues,
    Status,
    Users,
)
from ichat_gw.ops.records import Search
from ichat_gw.ops.trace import CallTrace


class Source(Protocol):
    """Where the answers come from. What is a coroutine may have to wait for a disk, never for a network."""

    version: str

    def catch_up(self) -> None:
        """See what has happened until now; to be called before anything is asked."""

    def status(self) -> Status:
        """How the gateway is."""

    def ready(self) -> tuple[str, ...]:
        """What is missing for calls to be taken; nothing: they are."""

    def calls(self) -> Calls:
        """The live calls."""

    def call(self, call: str) -> LiveCall | None:
        """One of them."""

    def users(self) -> Users:
        """Who is online."""

    def series(self, span: str) -> Series:
        """The charts of the last `hour` or `day`."""

    def settings(self) -> SettingValues:
        """The settings in force."""

    def translate(self, address: str) -> RuleTrial:
        """What the translation rules do with an address."""

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format that an Accept header wants, and its content type."""

    async def records(self, search: Search) -> Records:
        """Ended calls. Raises RecordsError."""

    async def record(self, call: str) -> CallRecord | None:
        """One of them. Raises RecordsError."""

    async def csv(self, search: Search) -> bytes:
        """Ended calls as a table. Raises RecordsError."""

    async def trace(self, call: str) -> CallTrace | None:
        """The messages of a call, live or ended."""

    def reload(self) -> ReloadReply:
        """Read the configuration again."""
