"""Two user agents, a network that loses, copies, delays and reorders, and owners that say anything.

Whatever happens: no exception, no word from a session that is over, each session is gone exactly once,
and in the end nothing is left on either side: no session, no transaction, no timer, no look-up.
"""

import random
from collections.abc import Callable
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ichat_gw.call.cause import Cause, Ending
from ichat_gw.call.leg import (
    AcceptReoffer,
    Answer,
    Answered,
    EarlyAnswer,
    End,
    Ended,
    LegCommand,
    Party,
    Place,
    Refuse,
    Refused,
    RefuseReoffer,
    Reoffer,
    Reoffered,
    Ring,
)
from ichat_gw.sip.events import (
    Flow,
    FromSession,
    InviteReceived,
    Lookup,
    Received,
    Resolved,
    Send,
    SendFailed,
    SessionGone,
    ToSession,
    UserAgentCommand,
    UserAgentEvent,
)
from ichat_gw.sip.message import Request, Response, parse
from ichat_gw.sip.user_agent import UserAgent, UserAgentConfig
from tests.sip.ladder import sdp, tokens

A = ("192.0.2.1", 5060)
B = ("192.0.2.2", 5060)
NOWHERE = ("192.0.2.3", 5060)

BUSY = Ending(Cause.BUSY)
COMMANDS: list[LegCommand] = [
    Ring(),
    Answer(sdp("answer")),
    Refuse(BUSY),
    End(Ending(Cause.HANGUP)),
    AcceptReoffer(sdp("reoffer")),
    Reoffer(sdp("ours")),
    EarlyAnswer(sdp("answer")),
    RefuseReoffer(BUSY),
]

FIELDS = [
    ("Allow", "INVITE, UPDATE"),
    ("Contact", "<sip:x@192.0.2.2>, <sip:y@192.0.2.1>;q=0.5, <sip:z@192.0.2.3>"),
    ("Min-SE", "400"),
    ("Require", "100rel"),
    ("RSeq", "1"),
    ("RSeq", "2"),
    ("Session-Expires", "60;refresher=uac"),
    ("Session-Expires", "60;refresher=uas"),
]
"""What a forged response may say besides."""


class Side:
    """One user agent and what its owner knows."""

    def __init__(self, chaos: "Chaos", address: tuple[str, int], name: str) -> None:
        self.chaos = chaos
        self.address = address
        self.agent = UserAgent(UserAgentConfig(max_sessions=6, session_expires=90), tokens(name), lambda: 0.5)
        self.open: set[int] = set()
        self.over: set[int] = set()
        self.gone: set[int] = set()

    def act(self, event: UserAgentEvent) -> None:
        self.take(self.agent.receive(event, self.chaos.now))

    def tell(self, session: int, command: LegCommand) -> None:
        if isinstance(command, Place):
            self.open.add(session)
        self.act(ToSession(session, command))

    def take(self, commands: list[UserAgentCommand]) -> None:
        for command in commands:
            match command:
                case Send(data, flow, _):
                    self.chaos.carry(self.address, flow.remote, data)
                case Lookup(number, uri):
                    self.chaos.resolve(self, number, uri)
                case InviteReceived(session=session):
                    assert session not in self.open
                    self.open.add(session)
                    self.chaos.reply(self, session, Ring(), Answer(sdp("answer")), Refuse(BUSY))
                case FromSession(session, event):
                    assert session in self.open
                    assert session not in self.over
                    assert session not in self.gone
                    if isinstance(event, Ended | Refused):
                        self.over.add(session)
                    elif isinstance(event, Reoffered | Answered):
                        self.chaos.reply(self, session, AcceptReoffer(sdp("reoffer")), RefuseReoffer(BUSY))
                case SessionGone(session):
                    assert session in self.open
                    assert session not in self.gone
                    self.gone.add(session)
                case _:
                    pass


class Chaos(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.sides = {address: Side(self, address, name) for address, name in ((A, "a"), (B, "b"))}
        self.wire: list[tuple[float, Callable[[], None]]] = []
        self.seen: list[tuple[tuple[str, int], tuple[str, int], bytes]] = []
        self.loss = self.copies = 0.0
        self.delay = 0.01
        self.forged = 0
        self.inside: list[tuple[tuple[str, int], tuple[str, int], bytes]] = []
        self.invites: dict[str | None, Request] = {}

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.dice = random.Random(seed)

    # --- the network ---

    def carry(self, source: tuple[str, int], to: tuple[str, int], data: bytes) -> None:
        self.seen.append((source, to, data))
        del self.seen[:-50]
        message = parse(data)
        if isinstance(message, Request):
            if message.to.tag:
                self.inside.append((source, to, data))
                del self.inside[:-10]
        elif (invite := self.invites.get(message.via.branch)) and message.cseq.method == "INVITE":
            # A forged re-INVITE is answered: mostly there is an ACK.
            is_acknowledged = message.status >= 200 and self.dice.random() < 0.7
            if is_acknowledged:
                self.put(to, source, self.ack(invite, message))
        while self.dice.random() >= self.loss:
            self.put(source, to, data)
            if self.dice.random() >= self.copies:
                break

    def put(self, source: tuple[str, int], to: tuple[str, int], data: bytes) -> None:
        side = self.sides.get(to)
        if side is not None:
            event = Received(data, Flow("UDP", to, source))
            self.wire.append((self.now + self.dice.random() * self.delay, lambda: side.act(event)))

    def reply(self, side: Side, session: int, *choices: LegCommand) -> None:
        """An owner who mostly does what owners do, after a while."""
        for command in choices:
            if self.dice.random() < 0.6:
                when = self.now + self.dice.choice([0.0, 0.3, 3.0])
                self.wire.append((when, partial(side.tell, session, command)))

    def resolve(self, side: Side, number: int, uri: str) -> None:
        flows = tuple(Flow("UDP", side.address, to) for to in (A, B, NOWHERE) if to[0] in uri)
        answer = Resolved(number, flows)
        if self.dice.random() >= self.loss:
            self.wire.append((self.now + self.dice.random() * self.delay, lambda: side.act(answer)))

    def run_until(self, end: float) -> None:
        while True:
            soonest = min(range(len(self.wire)), key=lambda i: self.wire[i][0], default=None)
            when = self.wire[soonest][0] if soonest is not None else None
            due = [(d, side) for side in self.sides.values() if (d := side.agent.deadline()) is not None]
            deadline = min((d for d, _ in due), default=None)
            if when is not None and when <= end and (deadline is None or when <= deadline):
                assert soonest is not None
                self.now = max(self.now, when)
                self.wire.pop(soonest)[1]()
            elif deadline is not None and deadline <= end:
                self.now = max(self.now, deadline)
                for d, side in due:
                    if d <= self.now:
                        side.take(side.agent.expire(self.now))
            else:
                break
        self.now = max(self.now, end)

    # --- the rules ---

    @rule(
        loss=st.sampled_from([0.0, 0.0, 0.0, 0.2, 0.6, 1.0]),
        copies=st.sampled_from([0.0, 0.3, 0.7]),
        delay=st.sampled_from([0.001, 0.6, 6.0]),
    )
    def weather(self, loss: float, copies: float, delay: float) -> None:
        self.loss, self.copies, self.delay = loss, copies, delay

    @rule(seconds=st.sampled_from([0.001, 0.1, 0.6, 5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.run_until(self.now + seconds)

    @rule(
        caller=st.sampled_from([A, B]),
        callee=st.sampled_from([A, B, NOWHERE]),
        offer=st.booleans(),
        pinned=st.booleans(),
    )
    def call(self, caller: tuple[str, int], callee: tuple[str, int], offer: bool, pinned: bool) -> None:
        side = self.sides[caller]
        place = Place(
            f"sip:user@{callee[0]}:{callee[1]}",
            Party("sip:x@example.com"),
            sdp("offer") if offer else None,
            "x",
            pinned,
        )
        side.tell(side.agent.new_session(), place)

    @rule(where=st.sampled_from([A, B]), which=st.integers(0, 5), command=st.sampled_from(COMMANDS))
    def say(self, where: tuple[str, int], which: int, command: LegCommand) -> None:
        side = self.sides[where]
        sessions = sorted(side.open - side.gone)
        if sessions:
            session = sessions[which % len(sessions)]
            side.tell(session, command)
            if isinstance(command, End):
                side.over.add(session)

    @rule(which=st.integers(0, 49))
    def replay(self, which: int) -> None:
        """Something sent long ago arrives (again)."""
        if self.seen:
            self.put(*self.seen[which % len(self.seen)])

    @rule(
        which=st.integers(0, 9),
        method=st.sampled_from(
            [
                "INVITE",
                "INVITE",
                "INVITE",
                "UPDATE",
                "UPDATE",
                "PRACK",
                "BYE",
                "INFO",
                "OPTIONS",
                "CANCEL",
                "ACK",
            ]
        ),
        offer=st.booleans(),
    )
    def forge(self, which: int, method: str, offer: bool) -> None:
        """One end of a dialog asks something that its user agent knows nothing of."""
        if self.inside:
            source, to, data = self.inside[which % len(self.inside)]
            request = self.like(data, method, source, offer)
            if method == "INVITE":
                self.invites[request.via.branch] = request
            self.put(source, to, request.to_bytes())

    def like(self, data: bytes, method: str, source: tuple[str, int], offer: bool) -> Request:
        """A request like one that was sent, with a method, a number and mostly a branch of its own."""
        message = parse(data)
        assert isinstance(message, Request)
        self.forged += 1
        headers, number = message.headers, message.cseq.number
        if method not in ("CANCEL", "ACK"):
            via = f"SIP/2.0/UDP {source[0]}:{source[1]};branch=z9hG4bKf{self.forged}"
            headers.replace_first("Via", via)
            number += self.forged
        headers.replace("CSeq", f"{number} {method}")
        if offer:
            headers.replace("Content-Type", "application/sdp")
        return Request(method, message.uri, headers, sdp("forged").encode() if offer else b"")

    def ack(self, invite: Request, response: Response) -> bytes:
        headers = invite.headers.copy()
        headers.replace("CSeq", f"{invite.cseq.number} ACK")
        headers.replace("To", response.headers.get("To") or "")
        headers.replace("Content-Type", "application/sdp")
        if response.status < 300:
            headers.replace_first("Via", f"SIP/2.0/UDP 192.0.2.9;branch={invite.via.branch}a")
        body = sdp("in the ACK").encode() if self.dice.random() < 0.5 else b""
        return Request("ACK", invite.uri, headers, body).to_bytes()

    @rule(
        which=st.integers(0, 49),
        status=st.sampled_from([100, 180, 183, 199, 200, 302, 408, 422, 481, 486, 491, 503]),
        fork=st.booleans(),
        fields=st.sets(st.sampled_from(FIELDS)),
    )
    def forge_response(self, which: int, status: int, fork: bool, fields: set[tuple[str, str]]) -> None:
        """Another fork answers, or the same one answers again and otherwise."""
        if not self.seen:
            return
        source, to, data = self.seen[which % len(self.seen)]
        message = parse(data)
        if isinstance(message, Response):
            if fork:
                message.headers.replace("To", f"<sip:fork@{source[0]}>;tag=fork{status}")
            for name, value in sorted(fields):
                message.headers.replace(name, value)
            again = Response(status, None, message.headers, message.body)
            self.put(source, to, again.to_bytes())

    @rule(where=st.sampled_from([A, B]), to=st.sampled_from([A, B, NOWHERE]))
    def break_(self, where: tuple[str, int], to: tuple[str, int]) -> None:
        self.sides[where].act(SendFailed(Flow("UDP", where, to), "no route"))

    # --- what holds -------------------------------------------------------------------------------------

    @invariant()
    def sessions_are_counted(self) -> None:
        for side in self.sides.values():
            assert side.agent.sessions == len(side.open - side.gone)

    def teardown(self) -> None:
        if not hasattr(self, "dice"):
            return
        # The owners hang up, also on what still arrives while they do. Both ends, because all copies of a
        # BYE may be lost: then only the media tells that the other end is gone.
        for _ in range(3):
            for side in self.sides.values():
                for session in sorted(side.open - side.gone):
                    side.tell(session, End(BUSY))
                    side.over.add(session)
            self.run_until(self.now + 60)
        self.run_until(self.now + 300)
        for side in self.sides.values():
            agent = side.agent
            assert (agent.sessions, agent.transactions, agent.running_timers) == (0, 0, 0)
            assert side.gone == side.open
        assert not self.wire


TestChaos = Chaos.TestCase
TestChaos.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
