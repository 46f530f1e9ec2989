"""Copies reach a Homer server, and when there is none nothing happens."""

import asyncio
import socket

import pytest

from ichat_gw.ops import hep
from ichat_gw.ops.hep import HepSource
from ichat_gw.ops.net import hep as net
from ichat_gw.ops.net.hep import HepSender
from ops.test_hep import chunks, sip
from ops.traces import request
from peers.ports import free_port


async def test_a_copy_reaches_the_server() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as homer:
        homer.bind(("127.0.0.1", 0))
        homer.setblocking(False)
        sender = HepSender("127.0.0.1", homer.getsockname()[1], HepSource(7))
        sender.mirror(sip(request("INVITE")), "n-1")
        assert sender.lost == 1
        await sender.run()
        sender.mirror(sip(request("INVITE")), "n-1")
        sender.mirror(sip(b""), "n-1")
        packet = await asyncio.get_running_loop().sock_recv(homer, 65_536)
        assert chunks(packet)[hep.PAYLOAD] == request("INVITE")
        with pytest.raises(BlockingIOError):
            homer.recv(1)
        sender.close()
        sender.close()


async def test_a_server_that_is_not_there_costs_nothing() -> None:
    sender = HepSender("127.0.0.1", free_port(), HepSource(7))
    await sender.run()
    for _ in range(3):
        sender.mirror(sip(request("INVITE")), "")
        await asyncio.sleep(0.01)
    assert sender.lost >= 1
    sender.close()


async def test_a_name_that_leads_nowhere_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "LOOK_UP_SECONDS", 0.01)
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, *, type: int) -> list[object]:
        asked.append(host)
        if len(asked) < 3:
            raise socket.gaierror("no such name")
        return [(socket.AF_INET, type, 0, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    sender = HepSender("homer.example", 9060, HepSource(7))
    await sender.run()
    assert asked == ["homer.example"] * 3
    sender.close()
