"""Stanza ids and call references: never the same twice, also after a restart."""


class Ids:
    """Counts up behind `token`, a text drawn at random by whoever starts the program."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._last = 0

    def next(self) -> str:
        """A fresh id."""
        self._last += 1
        return f"{self._token}{self._last:08x}"
