"""The child's side of `children`: what to do comes on standard input, whose end is the parent's end.

The parent writes one document, in msgpack behind its length in 4 bytes (network byte order), and then keeps
the pipe open without writing. No secret stands in an argument or an environment variable, and the system
closes the pipe also when the parent is killed.
"""

import asyncio
import contextlib
import os
import struct
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from ichat_gw.errors import GatewayError

T = TypeVar("T")

MAX_DOCUMENT = 16 * 1024 * 1024
"""Bytes of an encoded start document."""
EXIT_ORPHANED = 70
"""Exit status of a child that did not end by itself in time after its parent was gone."""

_LENGTH = struct.Struct(">I")


class StartDocumentError(GatewayError):
    """The start document is missing, incomplete, or not of the expected form."""


def frame_document(document: object) -> bytes:
    """`document` (anything msgspec encodes) as the bytes to write; raises `StartDocumentError`."""
    try:
        body = msgspec.msgpack.encode(document)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StartDocumentError(f"the start document cannot be encoded: {error}") from error
    if len(body) > MAX_DOCUMENT:
        raise StartDocumentError(
            f"the start document has {len(body)} bytes; at most {MAX_DOCUMENT} are allowed"
        )
    return _LENGTH.pack(len(body)) + body


def read_start_document(kind: type[T], fd: int = 0) -> T:
    """Wait for the start document and return it as a `kind`; raises `StartDocumentError`.

    Call it before the event loop runs. Nothing behind the document is read.
    """
    if os.isatty(fd):
        raise StartDocumentError(
            "this program is started by ichat-gw, which tells it its settings: start ichat-gw"
        )
    (length,) = _LENGTH.unpack(_read(fd, _LENGTH.size))
    if length > MAX_DOCUMENT:
        raise StartDocumentError(
            "standard input carries no start document; this program is started by ichat-gw"
        )
    body = _read(fd, length)
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StartDocumentError(
            f"the start document is not as expected ({error}); are both programs of the same release?"
        ) from error


def _read(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            piece = os.read(fd, min(size - len(data), 65_536))
        except OSError as error:
            raise StartDocumentError(f"standard input cannot be read: {error.strerror}") from error
        if not piece:
            raise StartDocumentError(
                "standard input ended before the start document was complete; "
                "this program is started by ichat-gw"
            )
        data += piece
    return data


async def parent_gone(fd: int = 0, *, grace: float = 4.0, leave: Callable[[int], object] = os._exit) -> None:
    """Return when the parent has closed `fd` or is dead: then end in order, within `grace` seconds.

    After `grace` seconds the process is ended without further ado (exit status 70), even when its event loop
    is stuck: no orphan stays. So this watch is a thread, which sleeps in `read` all the time. To be called
    once in a process, after `read_start_document`.
    """
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):  # No standard input at all: nobody is there.
            if hasattr(os, "set_blocking"):  # where it is not, pipes block
                os.set_blocking(fd, True)
            while os.read(fd, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # The loop is closed: the process is on its way out.
            loop.call_soon_threadsafe(gone.set)
        time.sleep(grace)
        leave(EXIT_ORPHANED)

    threading.Thread(target=watch, name="parent", daemon=True).start()
    await gone.wait()
