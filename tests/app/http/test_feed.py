import asyncio

import pytest

from ichat_gw.app.http.feed import MAX_LISTENERS, MAX_WAITING, Feed, TooManyListeners, written


async def test_everybody_hears_everything_in_order() -> None:
    feed = Feed()
    one, other = feed.listen(), feed.listen()
    feed.publish("calls", b"1")
    feed.publish("status", b"2")
    for listener in (one, other):
        assert await listener.next(9.0) == b"event: calls\ndata: 1\n\nevent: status\ndata: 2\n\n"
    feed.leave(one)
    feed.publish("calls", b"3")
    assert await other.next(9.0) == written("calls", b"3")
    assert len(feed) == 1


async def test_who_waits_is_woken() -> None:
    feed = Feed()
    listener = feed.listen()
    asyncio.get_running_loop().call_soon(feed.publish, "calls", b"1")
    assert await listener.next(9.0) == written("calls", b"1")


async def test_a_stream_on_which_nothing_happens_gets_a_comment() -> None:
    assert await Feed().listen().next(0.001) == b": nothing new\n\n"


async def test_a_listener_who_reads_slowly_is_dropped() -> None:
    feed = Feed()
    slow = feed.listen()
    for _ in range(MAX_WAITING):
        feed.publish("calls", b"1")
    assert not slow.closed
    feed.publish("calls", b"1")
    assert slow.closed
    assert b"calls" not in await slow.next(9.0)


async def test_all_streams_end_together() -> None:
    feed = Feed()
    listeners = [feed.listen() for _ in range(3)]
    feed.close()
    assert all(listener.closed for listener in listeners)


async def test_there_is_an_end_to_listeners() -> None:
    feed = Feed()
    for _ in range(MAX_LISTENERS):
        feed.listen()
    with pytest.raises(TooManyListeners):
        feed.listen()
