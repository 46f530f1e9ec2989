"""The transaction layer: every row of the tables carried out, then ladders for what rows cannot show."""

import itertools

import pytest

from ichat_gw.sip.events import Flow, Send
from ichat_gw.sip.message import Headers, Request, Response, parse, response_to
from ichat_gw.sip.transaction import (
    LARGE,
    Asked,
    Failed,
    Gone,
    LayerOutput,
    Stray,
    TimedOut,
    Told,
    Transaction,
    TransactionLayer,
    ack_for,
    cancel_for,
)
from ichat_gw.sip.transaction_table import (
    REPEATING,
    TABLES,
    Do,
    Input,
    Kind,
    State,
    Timer,
    TransactionTimes,
)

UDP = Flow("UDP", ("192.0.2.1", 5070), ("192.0.2.9", 5060))
TCP = Flow("TCP", ("192.0.2.1", 5070), ("192.0.2.9", 5060))
NOW = 50.0

_branches = itertools.count(1)


def request(method: str, via: str | None = None, **fields: str) -> Request:
    branch = f"z9hG4bKx{next(_branches)}"
    known = {
        "Via": via or f"SIP/2.0/UDP 192.0.2.1:5070;branch={branch};rport",
        "Max-Forwards": "70",
        "To": "<sip:bob@example.com>",
        "From": "<sip:alice@example.com>;tag=a",
        "Call-ID": "c1",
        "CSeq": f"1 {method}",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    return Request(method, "sip:bob@example.com", Headers(known.items()))


def again(message: Request) -> Request:
    """The same message as it arrives once more."""
    copy = parse(message.to_bytes())
    assert isinstance(copy, Request)
    return copy


def ack(invite: Request, response: Response | None = None) -> Request:
    return ack_for(invite, response or response_to(invite, 486, to_tag="z"))


# --- every row --------------------------------------------------------------------------------------------

METHOD = {
    Kind.INVITE_CLIENT: "INVITE",
    Kind.CLIENT: "BYE",
    Kind.INVITE_SERVER: "INVITE",
    Kind.SERVER: "BYE",
}
WAY = {
    (Kind.INVITE_CLIENT, State.CALLING): (),
    (Kind.INVITE_CLIENT, State.PROCEEDING): (Input.GET_1XX,),
    (Kind.INVITE_CLIENT, State.ACCEPTED): (Input.GET_2XX,),
    (Kind.INVITE_CLIENT, State.COMPLETED): (Input.GET_3XX,),
    (Kind.CLIENT, State.TRYING): (),
    (Kind.CLIENT, State.PROCEEDING): (Input.GET_1XX,),
    (Kind.CLIENT, State.COMPLETED): (Input.GET_2XX,),
    (Kind.INVITE_SERVER, State.PROCEEDING): (),
    (Kind.INVITE_SERVER, State.ACCEPTED): (Input.SAY_2XX,),
    (Kind.INVITE_SERVER, State.COMPLETED): (Input.SAY_3XX,),
    (Kind.INVITE_SERVER, State.CONFIRMED): (Input.SAY_3XX, Input.ACK),
    (Kind.SERVER, State.TRYING): (),
    (Kind.SERVER, State.PROCEEDING): (Input.SAY_1XX,),
    (Kind.SERVER, State.COMPLETED): (Input.SAY_2XX,),
}
STATUS = {
    Input.GET_1XX: 180,
    Input.GET_2XX: 200,
    Input.GET_3XX: 486,
    Input.SAY_1XX: 180,
    Input.SAY_2XX: 200,
    Input.SAY_3XX: 486,
}


class Bench:
    """One transaction in a layer of its own, to be led to a state."""

    def __init__(self, kind: Kind, flow: Flow = UDP) -> None:
        self.layer = TransactionLayer(TransactionTimes())
        self.flow = flow
        self.now = NOW
        self.request = request(METHOD[kind])
        self.outputs: list[LayerOutput] = []
        if kind in (Kind.INVITE_CLIENT, Kind.CLIENT):
            self.transaction, outputs = self.layer.begin(self.request, flow, None, 7, NOW)
            assert outputs == [Send(self.request.to_bytes(), flow, 7)]
        else:
            (asked,) = self.layer.receive(again(self.request), flow, NOW)
            assert isinstance(asked, Asked)
            assert asked.transaction is not None
            self.transaction = asked.transaction
            self.transaction.session = 7
        assert self.transaction.kind is kind

    def put(self, what: Input | Timer) -> list[LayerOutput]:
        if isinstance(what, Timer):
            return self._fire(what)
        if what is Input.REQUEST:
            return self.layer.receive(again(self.request), self.flow, self.now)
        if what is Input.ACK:
            return self.layer.receive(ack(self.request), self.flow, self.now)
        if what is Input.ERROR:
            return self.layer.send_failed(self.flow, "no route", self.now)
        response = response_to(self.transaction.request, STATUS[what], to_tag="z")
        if what in (Input.SAY_1XX, Input.SAY_2XX, Input.SAY_3XX):
            return self.layer.respond(self.transaction, response, self.now)
        return self.layer.receive(response, self.flow, self.now)

    def _fire(self, timer: Timer) -> list[LayerOutput]:
        """Let time pass until this timer fires, and return what it alone did."""
        while (when := self.layer.deadline()) is not None:
            self.now = when
            before = dict(self.transaction.waits)
            outputs = self.layer.expire(when)
            after = self.transaction.waits
            fired = {t for t in before if t not in after or before[t] != after[t]}
            # A repetition as rare as it gets looks the same before and after; it is not asked for here.
            if timer in fired:
                return outputs
        raise AssertionError(f"{timer} never fired")


ROWS = [
    (kind, state, what)
    for kind, table in TABLES.items()
    for state, what in table
    if state is not State.NEW and not (kind in (Kind.INVITE_SERVER, Kind.SERVER) and what is Input.ERROR)
]


@pytest.mark.parametrize(("kind", "state", "what"), ROWS)
def test_row(kind: Kind, state: State, what: Input | Timer) -> None:
    bench = Bench(kind)
    for step in WAY[kind, state]:
        bench.put(step)
    assert bench.transaction.state is state
    outputs = bench.put(what)
    to, actions = TABLES[kind][state, what]
    assert bench.transaction.state is to
    expected = [*actions, *(["gone"] if to is State.TERMINATED else [])]
    # A request repeated before anything was answered has nothing to be answered with.
    if not bench.transaction.data:
        expected = [action for action in expected if action is not Do.SEND]
    assert [_name(output) for output in outputs] == [
        "send" if action in (Do.SEND, Do.ACK) else action for action in expected
    ]
    assert all(output.session == 7 for output in outputs if isinstance(output, Send))
    assert len(bench.layer) == (to is not State.TERMINATED)


def _name(output: LayerOutput) -> object:
    match output:
        case Send():
            return "send"
        case Told() | Asked():
            return Do.TELL
        case TimedOut():
            return Do.TIMEOUT
        case Failed():
            return Do.FAIL
        case Gone():
            return "gone"
    raise AssertionError(output)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("flow", [UDP, TCP])
def test_every_transaction_ends_and_leaves_nothing(kind: Kind, flow: Flow) -> None:
    for (of, _), way in WAY.items():
        if of is not kind:
            continue
        bench = Bench(kind, flow)
        for step in way:
            bench.put(step)
        if kind is Kind.INVITE_SERVER and not way:
            bench.put(Input.SAY_3XX)
        if kind is Kind.INVITE_CLIENT and way == (Input.GET_1XX,):
            bench.put(Input.GET_3XX)
        if kind is Kind.SERVER and Input.SAY_2XX not in way:
            bench.put(Input.SAY_2XX)
        outputs: list[LayerOutput] = []
        while (when := bench.layer.deadline()) is not None:
            outputs += bench.layer.expire(when)
        assert [o for o in outputs if isinstance(o, Gone)] == [Gone(bench.transaction)]
        assert (len(bench.layer), bench.layer.running_timers) == (0, 0)
        if flow is TCP:
            assert not any(isinstance(output, Send) for output in outputs)


# --- the times of the copies ------------------------------------------------------------------------------


def times_of_sends(bench: Bench) -> list[float]:
    times = []
    while (when := bench.layer.deadline()) is not None:
        times += [when - NOW for output in bench.layer.expire(when) if isinstance(output, Send)]
    return times


def test_invite_is_repeated_with_doubling_waits_until_timer_b() -> None:
    assert times_of_sends(Bench(Kind.INVITE_CLIENT)) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]


def test_bye_is_repeated_every_four_seconds_in_the_end() -> None:
    assert times_of_sends(Bench(Kind.CLIENT)) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_a_provisional_response_slows_the_repetition_of_bye() -> None:
    bench = Bench(Kind.CLIENT)
    bench.put(Input.GET_1XX)
    assert times_of_sends(bench) == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]


def test_refusal_is_repeated_until_timer_h() -> None:
    bench = Bench(Kind.INVITE_SERVER)
    bench.put(Input.SAY_3XX)
    assert times_of_sends(bench) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_woken_late_it_ends_and_repeats_nothing() -> None:
    """The loop was busy for a minute: timer B is due, and behind it the next copy."""
    bench = Bench(Kind.INVITE_CLIENT)
    for when in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5):
        bench.layer.expire(NOW + when)
    outputs = bench.layer.expire(NOW + 100)
    assert outputs == [TimedOut(bench.transaction), Gone(bench.transaction)]


# --- matching ---------------------------------------------------------------------------------------------


def layer() -> TransactionLayer:
    return TransactionLayer(TransactionTimes())


def asked_in(layer: TransactionLayer, message: Request, flow: Flow = UDP) -> Transaction:
    (output,) = layer.receive(again(message), flow, NOW)
    assert isinstance(output, Asked)
    assert output.transaction is not None
    return output.transaction


def test_the_same_branch_from_another_host_is_another_transaction() -> None:
    them = layer()
    asked_in(them, request("BYE", "SIP/2.0/UDP 192.0.2.8:5060;branch=z9hG4bKsame"))
    asked_in(them, request("BYE", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKsame"))
    asked_in(them, request("BYE", "SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bKsame"))
    assert len(them) == 3


def test_host_in_other_letters_and_default_port_are_the_same_sender() -> None:
    them = layer()
    asked_in(them, request("BYE", "SIP/2.0/UDP pc.example.com;branch=z9hG4bKsame"))
    assert not them.receive(request("BYE", "SIP/2.0/UDP PC.Example.com:5060;branch=z9hG4bKsame"), UDP, NOW)


def test_cancel_is_a_transaction_of_its_own_and_finds_its_invite() -> None:
    them = layer()
    invite = request("INVITE")
    of_invite = asked_in(them, invite)
    cancel = cancel_for(invite, "test")
    asked_in(them, cancel)
    assert them.cancelled_by(cancel) is of_invite
    assert them.cancelled_by(request("CANCEL")) is None


OLD = "SIP/2.0/UDP 192.0.2.9:5060"


def test_rfc_2543_copies_are_absorbed() -> None:
    them = layer()
    of_invite = asked_in(them, request("INVITE", OLD))
    assert them.respond(of_invite, response_to(of_invite.request, 180, to_tag="z"), NOW)
    (repeated,) = them.receive(request("INVITE", OLD), UDP, NOW)
    assert isinstance(repeated, Send)
    asked_in(them, request("INVITE", OLD, CSeq="2 INVITE"))
    asked_in(them, request("INVITE", OLD, Call_ID="other"))
    asked_in(them, request("INVITE", OLD, From="<sip:alice@example.com>;tag=b"))
    asked_in(them, request("INVITE", OLD + ";branch=1"))
    asked_in(them, request("INVITE", OLD + ";branch=z9hG4bK"))
    asked_in(them, request("BYE", OLD))


def test_rfc_2543_ack_is_told_by_the_tag_of_the_response() -> None:
    them = layer()
    of_invite = asked_in(them, request("INVITE", OLD))
    them.respond(of_invite, response_to(of_invite.request, 486, to_tag="z"), NOW)
    (other,) = them.receive(request("ACK", OLD, To="<sip:bob@example.com>;tag=y"), UDP, NOW)
    assert isinstance(other, Asked)
    assert other.transaction is None
    assert not them.receive(request("ACK", OLD, To="<sip:bob@example.com>;tag=z"), UDP, NOW)
    assert of_invite.state is State.CONFIRMED


def test_rfc_2543_ack_before_any_response_is_absorbed() -> None:
    them = layer()
    of_invite = asked_in(them, request("INVITE", OLD))
    assert not them.receive(request("ACK", OLD), UDP, NOW)
    assert of_invite.state is State.PROCEEDING


def test_ack_to_nothing_is_handed_up() -> None:
    (output,) = layer().receive(message := request("ACK"), UDP, NOW)
    assert output == Asked(None, message, UDP)


def test_responses_that_are_not_ours_are_strays() -> None:
    us = layer()
    ask = request("BYE")
    us.begin(ask, UDP, None, None, NOW)
    for via in (
        "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKother",
        str(ask.via).replace("192.0.2.1", "192.0.2.2"),
        str(ask.via).replace("5070", "5071"),
        f"{ask.via}, SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK2",
    ):
        response = response_to(ask, 200)
        response.headers.replace("Via", via)
        assert us.receive(response, UDP, NOW) == [Stray(UDP)]
    response = response_to(ask, 200)
    response.headers.replace("CSeq", "1 INFO")
    assert us.receive(response, UDP, NOW) == [Stray(UDP)]
    (told,) = us.receive(response_to(ask, 200), UDP, NOW)
    assert isinstance(told, Told)


def test_a_request_that_came_by_two_paths_is_merged() -> None:
    them = layer()
    first = asked_in(them, request("INVITE"))
    second = asked_in(them, request("INVITE"))
    assert (them.is_merged(first), them.is_merged(second)) == (False, True)
    # When the first is forgotten, and only then, another one may be the first.
    them.abandon(second)
    assert them.is_merged(asked_in(them, request("INVITE")))
    them.abandon(first)
    assert not them.is_merged(asked_in(them, request("INVITE")))


def test_requests_inside_a_dialog_are_never_merged() -> None:
    them = layer()
    asked_in(them, request("INFO", To="<sip:bob@example.com>;tag=t"))
    assert not them.is_merged(asked_in(them, request("INFO", To="<sip:bob@example.com>;tag=t")))


# --- where responses go -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "port", "stamped"),
    [
        ("pc.example.com;branch=z9hG4bK1", 5060, "pc.example.com;branch=z9hG4bK1;received=198.51.100.7"),
        ("198.51.100.7:5066;branch=z9hG4bK1", 5066, "198.51.100.7:5066;branch=z9hG4bK1"),
        (
            "10.0.0.1:5066;branch=z9hG4bK1;rport",
            1234,
            "10.0.0.1:5066;branch=z9hG4bK1;rport=1234;received=198.51.100.7",
        ),
        (
            "10.0.0.1;branch=z9hG4bK1;maddr=203.0.113.1",
            5060,
            "10.0.0.1;branch=z9hG4bK1;maddr=203.0.113.1;received=198.51.100.7",
        ),
    ],
)
def test_responses_go_to_where_the_request_came_from(via: str, port: int, stamped: str) -> None:
    flow = Flow("UDP", ("192.0.2.1", 5070), ("198.51.100.7", 1234))
    them = layer()
    transaction = asked_in(them, request("BYE", f"SIP/2.0/UDP {via}"), flow)
    (sent,) = them.respond(transaction, response_to(transaction.request, 200, to_tag="z"), NOW)
    assert isinstance(sent, Send)
    assert sent.flow.remote == ("198.51.100.7", port)
    assert f"Via: SIP/2.0/UDP {stamped}\r\n" in sent.data.decode()


def test_responses_go_back_by_the_same_connection() -> None:
    transaction = asked_in(layer(), request("BYE", "SIP/2.0/TCP pc.example.com;branch=z9hG4bK1"), TCP)
    assert transaction.flow == TCP


# --- what the layer makes itself --------------------------------------------------------------------------


def test_ack_and_cancel_share_branch_route_and_number_with_the_invite() -> None:
    invite = request("INVITE", CSeq="7 INVITE", Route="<sip:p1;lr>, <sip:p2;lr>")
    response = response_to(invite, 486, to_tag="z")
    assert ack_for(invite, response).headers.items() == [
        ("Via", invite.headers.get("Via")),
        ("Max-Forwards", "70"),
        ("Route", "<sip:p1;lr>, <sip:p2;lr>"),
        ("To", "<sip:bob@example.com>;tag=z"),
        ("From", "<sip:alice@example.com>;tag=a"),
        ("Call-ID", "c1"),
        ("CSeq", "7 ACK"),
    ]
    cancel = cancel_for(invite, "ichat-gw")
    assert cancel.uri == invite.uri
    assert cancel.headers.items() == [
        ("Via", invite.headers.get("Via")),
        ("Max-Forwards", "70"),
        ("Route", "<sip:p1;lr>, <sip:p2;lr>"),
        ("To", "<sip:bob@example.com>"),
        ("From", "<sip:alice@example.com>;tag=a"),
        ("Call-ID", "c1"),
        ("CSeq", "7 CANCEL"),
        ("User-Agent", "ichat-gw"),
    ]


def test_every_copy_of_a_refusal_is_acknowledged_as_that_copy_says() -> None:
    bench = Bench(Kind.INVITE_CLIENT)
    for _ in range(3):
        sends = [o for o in bench.put(Input.GET_3XX) if isinstance(o, Send)]
        (sent,) = sends
        message = parse(sent.data)
        assert isinstance(message, Request)
        assert (message.method, message.to.tag) == ("ACK", "z")
    assert bench.transaction.finished


def test_a_response_to_a_transaction_that_is_over_is_not_sent() -> None:
    bench = Bench(Kind.SERVER)
    assert bench.layer.abandon(bench.transaction) == [Gone(bench.transaction)]
    assert bench.layer.abandon(bench.transaction) == []
    assert bench.put(Input.SAY_2XX) == []


def test_only_the_transactions_of_the_broken_flow_fail() -> None:
    us = layer()
    one, _ = us.begin(request("BYE"), UDP, None, None, NOW)
    two, _ = us.begin(request("BYE"), UDP, None, None, NOW)
    three, _ = us.begin(request("BYE"), TCP, None, None, NOW)
    outputs = us.send_failed(UDP, "no route", NOW)
    assert {o.transaction for o in outputs if isinstance(o, Failed)} == {one, two}
    assert len(us) == 1
    assert not three.finished
    assert us.send_failed(UDP, "no route", NOW) == []


def test_transactions_can_be_told_apart_in_logs() -> None:
    assert repr(Bench(Kind.INVITE_CLIENT).transaction) == "<INVITE client transaction, INVITE, calling>"
    assert {Timer.A, Timer.E, Timer.G} == REPEATING


# --- too large for UDP (RFC 3261 section 18.1.1) ----------------------------------------------------------


def sized(size: int) -> Request:
    """A request of so many bytes."""
    bare = request("MESSAGE", Subject="")
    return request("MESSAGE", str(bare.headers.get("Via")), Subject="x" * (size - len(bare.to_bytes())))


@pytest.mark.parametrize(("size", "by"), [(LARGE, UDP), (LARGE + 1, TCP)])
def test_what_is_too_large_goes_by_the_other_flow_and_its_via_says_so(size: int, by: Flow) -> None:
    layer = TransactionLayer(TransactionTimes())
    message = sized(size)
    assert len(message.to_bytes()) == size
    transaction, (sent,) = layer.begin(message, UDP, None, 7, NOW, large=TCP)
    assert isinstance(sent, Send)
    assert (sent.flow, transaction.flow) == (by, by)
    assert f"SIP/2.0/{by.transport} ".encode() in sent.data
    assert sent.data == transaction.data == message.to_bytes()


def test_what_is_large_stays_where_there_is_no_other_flow() -> None:
    layer = TransactionLayer(TransactionTimes())
    _, (sent,) = layer.begin(sized(LARGE + 1), UDP, None, 7, NOW)
    assert isinstance(sent, Send)
    assert sent.flow == UDP


def test_a_large_request_falls_back_to_udp_once_with_its_branch_and_new_timers() -> None:
    layer = TransactionLayer(TransactionTimes())
    message = sized(LARGE + 1)
    branch = message.via.branch
    transaction, _ = layer.begin(message, UDP, None, 7, NOW, large=TCP)
    (sent,) = layer.send_failed(TCP, "refused", NOW + 20)
    assert isinstance(sent, Send)
    assert (sent.flow, sent.session) == (UDP, 7)
    assert parse(sent.data).via.branch == branch
    assert b"SIP/2.0/UDP " in sent.data
    assert layer.deadline() == NOW + 20 + 0.5, "timer E of UDP, counted from now"
    assert layer.send_failed(TCP, "refused", NOW + 20) == []
    failed, gone = layer.send_failed(UDP, "no route", NOW + 21)
    assert failed == Failed(transaction, "no route")
    assert gone == Gone(transaction)


def test_what_has_been_answered_does_not_fall_back() -> None:
    layer = TransactionLayer(TransactionTimes())
    message = sized(LARGE + 1)
    transaction, (sent,) = layer.begin(message, UDP, None, 7, NOW, large=TCP)
    assert isinstance(sent, Send)
    copy = parse(sent.data)
    assert isinstance(copy, Request)
    layer.receive(response_to(copy, 100), TCP, NOW)
    assert layer.send_failed(TCP, "broken", NOW) == [Failed(transaction, "broken"), Gone(transaction)]


# --- the edges --------------------------------------------------------------------------------------------


def test_a_redirection_is_no_success() -> None:
    layer = TransactionLayer(TransactionTimes())
    invite = request("INVITE")
    layer.begin(invite, UDP, None, 7, NOW)
    outputs = layer.receive(response_to(again(invite), 300, to_tag="z"), UDP, NOW)
    (acknowledged,) = [output for output in outputs if isinstance(output, Send)]
    assert acknowledged.data.startswith(b"ACK ")
    assert acknowledged.flow == UDP


def test_a_branch_that_is_nothing_but_the_cookie_names_nothing() -> None:
    layer = TransactionLayer(TransactionTimes())
    via = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK"
    for call in ("c1", "c2"):
        (asked,) = layer.receive(request("OPTIONS", via, Call_ID=call), UDP, NOW)
        assert isinstance(asked, Asked)


def test_a_cancel_alone_knows_its_invite() -> None:
    layer = TransactionLayer(TransactionTimes())
    invite = request("INVITE")
    layer.receive(again(invite), UDP, NOW)
    assert layer.knows(cancel_for(invite, "test"))
    bye = request("BYE", str(invite.headers.get("Via")))
    assert not layer.knows(bye)


def test_what_is_abandoned_leaves_no_timer() -> None:
    layer = TransactionLayer(TransactionTimes())
    transaction, _ = layer.begin(request("OPTIONS"), UDP, None, 7, NOW)
    assert layer.abandon(transaction) == [Gone(transaction)]
    assert layer.abandon(transaction) == []
    assert layer.deadline() is None


def test_all_timers_that_are_due_fire_although_one_has_ended_its_transaction() -> None:
    layer = TransactionLayer(TransactionTimes())
    first, _ = layer.begin(request("OPTIONS"), UDP, None, 1, NOW)
    second, _ = layer.begin(request("OPTIONS"), UDP, None, 2, NOW)
    outputs = layer.expire(NOW + 32.0)
    assert [output.transaction for output in outputs if isinstance(output, TimedOut)] == [first, second]
    assert layer.deadline() is None


@pytest.mark.parametrize(
    "extra", ["", ";received=192.0.2.9", ";rport=5060", ";RPORT=5060;Received=192.0.2.9"]
)
def test_what_we_have_stamped_on_a_via_does_not_count_for_rfc_2543(extra: str) -> None:
    layer = TransactionLayer(TransactionTimes())
    (asked, *_) = layer.receive(request("INVITE", "SIP/2.0/UDP Phone.Example:5060;x=1"), UDP, NOW)
    assert isinstance(asked, Asked)
    copy = request("INVITE", f"SIP/2.0/UDP phone.example:5060;x=1{extra}")
    assert not [output for output in layer.receive(copy, UDP, NOW) if isinstance(output, Asked)]
