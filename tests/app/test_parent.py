"""The child's side: the start document, and the end of the parent."""

import asyncio
import contextlib
import os
import pty
import struct
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ichat_gw.app.parent import (
    EXIT_ORPHANED,
    MAX_DOCUMENT,
    StartDocumentError,
    frame_document,
    parent_gone,
    read_start_document,
)


class Document(msgspec.Struct):
    """As the connector's might be."""

    key: bytes
    password: str


DOCUMENT = Document(bytes(range(32)), "s3cret")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        with contextlib.suppress(OSError):
            os.close(fd)


def given_bytes(data: bytes) -> Document:
    """Read the start document from a standard input with `data`."""
    read, write = os.pipe()
    try:
        os.write(write, data)
        os.close(write)
        return read_start_document(Document, read)
    finally:
        os.close(read)


def test_the_document_arrives_and_nothing_behind_it_is_read(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.write(write, frame_document(DOCUMENT) + b"more")
    assert read_start_document(Document, read) == DOCUMENT
    assert os.read(read, 10) == b"more"


def test_a_large_document_comes_in_pieces(pipe: tuple[int, int]) -> None:
    read, write = pipe
    large = Document(b"", "x" * 1_000_000)
    data = frame_document(large)

    def feed() -> None:
        rest = data
        while rest:
            rest = rest[os.write(write, rest[:10_000]) :]

    thread = threading.Thread(target=feed)
    thread.start()
    assert read_start_document(Document, read) == large
    thread.join()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ended before"),
        (frame_document(DOCUMENT)[:-1], "ended before"),
        (b"hello, world", "carries no start document"),
        (frame_document({"key": b""}), "same release"),
        (frame_document([1]), "same release"),
        (struct.pack(">I", 1) + b"\xc1", "same release"),
    ],
)
def test_what_is_no_start_document(data: bytes, why: str) -> None:
    with pytest.raises(StartDocumentError, match=why):
        given_bytes(data)


@given(st.binary(max_size=100))
def test_any_bytes_give_a_documented_error(data: bytes) -> None:
    for form in (data, struct.pack(">I", len(data)) + data):
        with pytest.raises(StartDocumentError):
            given_bytes(form)


def test_started_by_hand_in_a_terminal() -> None:
    main, terminal = pty.openpty()
    try:
        with pytest.raises(StartDocumentError, match="start ichat-gw"):
            read_start_document(Document, terminal)
    finally:
        os.close(main)
        os.close(terminal)


def test_a_closed_standard_input(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with pytest.raises(StartDocumentError, match="cannot be read"):
        read_start_document(Document, pipe[0])


def test_a_document_that_cannot_be_encoded() -> None:
    with pytest.raises(StartDocumentError, match="cannot be encoded"):
        frame_document(object())
    with pytest.raises(StartDocumentError, match=str(MAX_DOCUMENT)):
        frame_document(bytes(MAX_DOCUMENT + 1))


def test_the_end_of_the_parent_is_told_and_a_stuck_child_is_ended(pipe: tuple[int, int]) -> None:
    read, write = pipe
    left: list[int] = []
    ended = threading.Event()

    def leave(status: int) -> None:
        left.append(status)
        ended.set()

    async def child() -> None:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(parent_gone(read, grace=0, leave=leave))
            await asyncio.sleep(0)
            os.write(write, b"the parent says something")
            await asyncio.sleep(0.05)
            assert not watch.done()
            os.close(write)

    asyncio.run(asyncio.wait_for(child(), 30))
    assert ended.wait(30)
    assert left == [EXIT_ORPHANED]


def test_the_end_of_the_parent_after_that_of_the_loop(pipe: tuple[int, int]) -> None:
    read, write = pipe
    ended = threading.Event()

    async def child() -> None:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(parent_gone(read, grace=0, leave=lambda status: ended.set()))
            await asyncio.sleep(0)
            watch.cancel()

    asyncio.run(child())
    os.close(write)
    assert ended.wait(30)


def test_without_standard_input_nobody_is_there(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    ended = threading.Event()
    asyncio.run(asyncio.wait_for(parent_gone(pipe[0], grace=0, leave=lambda status: ended.set()), 30))
    assert ended.wait(30)
