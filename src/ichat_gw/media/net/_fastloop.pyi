from ichat_gw.media.gate import Source

class Path:
    def load(
        self,
        out: int,
        accepted: Source | None,
        named: Source | None,
        target: Source | None,
        window_ends: float,
        ssrc: int,
        next: int,
        stamp: int,
        start: int,
        second_out: int,
        rate: float,
        jitter: float,
        at: float,
        add: int,
        ticks: int,
        ssrc_out: int,
        lost: int,
        /,
    ) -> None: ...
    def stranger(self) -> Source | None: ...
    def state(self) -> tuple[int, int, float, float, int, Source | None, *tuple[int, ...]]: ...

class Loop:
    def __new__(cls, poll: int, /) -> Loop: ...
    def open(self, descriptor: int, control: bool, /) -> Path: ...
    def close(self, descriptor: int, /) -> None: ...
    def wait(self, seconds: float, /) -> tuple[list[tuple[int, bytearray, Source]], list[int]]: ...
