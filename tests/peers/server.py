"""The life of a private server, blocking for fixtures and not blocking for code inside an event loop."""

from signal import Signals
from types import TracebackType
from typing import Self

from peers.program import Program


class Server:
    """A program that serves in the background, with the same ports and files after each start."""

    program: Program
    ready_timeout: float
    """Seconds until `is_ready` must hold; usually it takes half of one."""

    def write_files(self) -> None:
        """Write what it reads when it starts, if anything."""

    def is_ready(self) -> bool:
        """Whether its ports are there."""
        raise NotImplementedError

    # --- blocking, for fixtures ---------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and block until it is ready; raises ProgramError with its last words otherwise."""
        self.write_files()
        self.program.spawn()
        self.program.await_ready(self.is_ready, self.ready_timeout)

    def stop(self) -> None:
        """An orderly stop."""
        if self.program.running:
            self.program.stop()

    def restart(self) -> None:
        """`stop` and `start`."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- for code inside an event loop --------------------------------------------------------------------

    async def start_async(self) -> None:
        """`start`, without blocking the event loop."""
        self.write_files()
        self.program.spawn()
        await self.program.until_ready(self.is_ready, self.ready_timeout)

    async def stop_async(self) -> None:
        """`stop`, without blocking the event loop."""
        if self.program.running:
            self.program.signal(Signals.SIGTERM)
            await self.program.finished(10.0)

    async def restart_async(self) -> None:
        """`restart`, without blocking the event loop."""
        await self.stop_async()
        await self.start_async()

    async def __aenter__(self) -> Self:
        await self.start_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_async()
