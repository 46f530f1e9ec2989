"""What the status page tells of a gateway: a whole one, in memory."""

import pytest

from app.watched import WatchedWorld, day
from app.world import COMPONENT, EPOCH
from ichat_gw.app.call_facts import Watched
from ichat_gw.app.events import StopGateway
from ichat_gw.app.view import QUERIES_AT_ONCE, _codec_of
from ichat_gw.call.admission import Limits
from ichat_gw.call.media import MediaAnswer, MediaOffer, MediaReady, MediaReoffer, MediaUpdate, Side
from ichat_gw.ops import metrics as m
from ichat_gw.ops.api import LiveCall, Records, RegistrationState, Series, TurnedAway
from ichat_gw.ops.pages.overview import overview
from ichat_gw.sip.events import Registered, RegistrationFailed


@pytest.fixture
def world() -> WatchedWorld:
    return WatchedWorld()


def only_call(world: WatchedWorld) -> LiveCall:
    [call] = world.seen.calls(world.at).calls
    return call


# --- calls ------------------------------------------------------------------------------------------------


def test_a_call_is_seen_while_it_is_set_up(world: WatchedWorld) -> None:
    world.alice.answer_after = 3.0
    world.phone.dial("alice")
    world.run(1.0)
    call = only_call(world)
    assert call.state in ("calling", "ringing", "offering")
    assert (call.caller.network, call.callee.network) == ("sip", "xmpp")
    assert call.callee.address == "xmpp:alice@jabber.localhost"
    assert call.answered is None
    world.run(5.0)
    call = only_call(world)
    assert call.state == "talking"
    assert call.answered is not None
    assert call.setup_seconds is not None
    assert 0 < call.setup_seconds < 6
    assert call.seconds == pytest.approx(world.at - call.began.timestamp(), abs=0.01)
    assert world.seen.call(call.id, world.at) == call
    assert world.seen.call("another", world.at) is None
    world.phone.hang_up()
    world.run(2.0)
    assert world.seen.calls(world.at).calls == ()


def test_the_counters_of_a_call_are_asked_for_when_somebody_looks(world: WatchedWorld) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    world.talk(world.alice, 1.0)
    world.talk(world.phone, 1.0, every=2)
    world.run(1.5)
    assert only_call(world).caller.media is None
    world.tick(looked_at=True)
    world.run(0.1)
    call = only_call(world)
    assert call.caller.media is not None
    assert call.callee.media is not None
    assert call.caller.media.codec == "PCMU/8000"
    assert (call.caller.media.received, call.callee.media.sent) == (50, 50)
    assert call.callee.media.received == 25
    assert call.callee.media.lost > 0
    assert call.callee.media.source == "127.0.0.2:5060"


def test_the_codec_is_one_that_both_have() -> None:
    def sdp(formats: str) -> str:
        head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        return f"{head}m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:97 X-AAC_ELD/22050\r\n"

    watched = Watched("c", {}, "", "", 0.0)
    watched.media.append((0.0, MediaOffer(1, Side.CALLER, None, "")))
    watched.media.append((0.0, MediaAnswer(2, Side.CALLEE, sdp("8 0"), "")))
    assert _codec_of(watched) == ""
    watched.media.append((0.0, MediaReoffer(3, Side.CALLER, sdp("97 0 8"), "")))
    assert _codec_of(watched) == "PCMA/8000"
    watched.media.append((0.0, MediaReady(3, sdp("3"))))
    watched.media.append((0.0, MediaReoffer(4, Side.CALLEE, "not SDP", "")))
    assert _codec_of(watched) == "PCMA/8000"
    watched.media.append((0.0, MediaUpdate(5, Side.CALLER, sdp("97"))))
    assert _codec_of(watched) == ""


def test_the_codec_of_an_ended_call_is_forgotten(world: WatchedWorld) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    call = only_call(world)
    assert list(world.seen._codecs) == [call.id]
    world.tick()
    assert list(world.seen._codecs) == [call.id]
    world.alice.hang_up()
    world.run(1.0)
    world.tick()
    assert not world.seen._codecs


def test_asking_is_bounded(world: WatchedWorld) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    [watched] = world.tracing.calls
    view = world.seen
    world.tracing._live.update({str(number): watched for number in range(3 * QUERIES_AT_ONCE // 2)})
    asked = [len(view.tick(world.at, looked_at=True)) for _ in range(3)]
    assert asked[0] == QUERIES_AT_ONCE
    assert asked[0] + asked[1] == 3 * QUERIES_AT_ONCE // 2 + 1
    assert asked[2] == QUERIES_AT_ONCE


def test_how_long_it_runs_does_not_depend_on_the_time_of_day(world: WatchedWorld) -> None:
    view = world.watch()
    world.run(60.0)
    now = view.status(world.at)
    stepped = view.status(world.at - 3600.0)
    assert now.uptime_seconds == stepped.uptime_seconds == 60.0
    assert (now.started - stepped.started).total_seconds() == 3600.0


def test_what_limits_turn_away_is_counted_by_setting(world: WatchedWorld) -> None:
    world.gateway.admission.reconfigure(Limits(calls_per_source=1, domains=frozenset({"elsewhere.example"})))
    for _ in range(3):
        world.phone.dial("alice")
        world.run(1.0)
    world.alice.dial("5551234")
    world.run(1.0)
    status = world.seen.status(world.at)
    assert status.turned_away == (
        TurnedAway(setting="MaxCallsPerSource", times=2),
        TurnedAway(setting="AllowedXMPPDomains", times=1),
    )
    shown = str(overview(status, Series(seconds=10.0), Records(), "hour").body)
    assert "MaxCallsPerSource" in shown


# --- over time --------------------------------------------------------------------------------------------


def test_the_charts(world: WatchedWorld) -> None:
    world.run(1.0)
    view = world.seen
    assert view.last_point() is None
    world.alice.dial("5551234")
    world.run(2.0)
    world.talk(world.phone, 2.0, every=2)
    for _ in range(10):
        world.run(2.0)
        world.tick(looked_at=True)
    world.run(0.1)
    points = view.series().points
    assert points[-1] == view.last_point()
    assert points[-1].calls == 1
    assert sum(point.begun for point in points) == 1
    assert [point.setup_seconds for point in points if point.setup_seconds] != []
    assert any(point.loss for point in points)
    assert view.series("day").seconds == 300.0
    assert "series" in view.tally.changed


# --- health -----------------------------------------------------------------------------------------------


def test_a_gateway_that_is_ready(world: WatchedWorld) -> None:
    view = world.watch()
    view.tally.connector_started(4711, world.at)
    world.stream_breaks()
    world.run(0.5)
    assert view.ready() == ("not connected to the XMPP server",)
    world.run(5.0)
    assert view.ready() == ()
    status = view.status(world.at)
    assert status.ready
    assert status.not_ready == ()
    assert status.jabber.online
    assert status.connector.pid == 4711
    assert status.listening == ("UDP 127.0.0.1:5070",)
    assert status.media_engine == "builtin"
    assert [part.loop for part in status.media] == ["python"]
    assert world.metrics()["ichat_gw_ready"] == 1


def test_what_is_missing_is_named(world: WatchedWorld) -> None:
    world.run(1.0)
    view = world.seen
    view.tally.connector_started(4711, world.at)
    world.relay_dies(back_after=99.0)
    world.connector_dies(back_after=99.0)
    view.tally.connector_ended("ended by SIGKILL", world.at)
    world.gateway_hears(StopGateway())
    missing = view.ready()
    assert missing == (
        "the gateway is being stopped",
        "the connector does not run",
        "not connected to the XMPP server",
        "relay worker 0 does not work",
    )
    status = view.status(world.at)
    assert not status.ready
    assert status.not_ready == missing
    assert (status.connector.restarts, status.connector.text) == (1, "ended by SIGKILL")
    assert status.jabber.text == "the connector is gone"
    metrics = world.metrics()
    assert metrics["ichat_gw_jabber_connected"] == 0
    assert metrics["ichat_gw_media_up  relay worker 0"] == 0
    assert metrics["ichat_gw_connector_restarts_total"] == 1


def test_sip_targets_that_do_not_answer(world: WatchedWorld) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    [target] = [target for target in world.seen.status(world.at).sip_targets if "127.0.0.2" in target.address]
    assert (target.address, target.answers) == ("UDP 127.0.0.2:5060", True)
    world.phone.hang_up()
    world.run(1.0)
    world.loss = 1.0
    world.alice.dial("5551234")
    world.run(40.0)
    [target] = [target for target in world.seen.status(world.at).sip_targets if "127.0.0.2" in target.address]
    assert not target.answers
    assert target.since > day(EPOCH)
    assert world.metrics()["ichat_gw_sip_targets silent"] >= 1


# --- users ------------------------------------------------------------------------------------------------


def registration(world: WatchedWorld) -> RegistrationState | None:
    [user] = [user for user in world.seen.users(world.at).users if user.jid == "alice@jabber.localhost"]
    return user.registration


def test_users_and_their_registrations(world: WatchedWorld) -> None:
    world.run(1.0)
    world.tick()
    since = world.at
    world.alice.dial("5551234")
    world.run(5.0)
    [user] = world.seen.users(world.at).users
    assert user.jid == "alice@jabber.localhost"
    assert user.aor == "sip:alice@registrar.localhost"
    assert user.since.timestamp() <= since
    assert user.calls == 1
    view = world.seen
    view.tally.took(None, [RegistrationFailed(user.aor, 403, "go away", 60.0)], world.at)
    failed = registration(world)
    assert failed is not None
    assert (failed.state, failed.status, failed.text) == ("failed", 403, "go away")
    assert failed.retry == day(world.at + 60)
    assert view.status(world.at).registrations_failed == 1
    view.tally.took(None, [Registered(user.aor, 3600)], world.at)
    bound = registration(world)
    assert bound is not None
    assert (bound.state, bound.expires) == ("registered", day(world.at + 3600))
    assert view.status(world.at).registered == 1
    view.tally.took(None, [Registered(user.aor, 0)], world.at)
    asking = registration(world)
    assert asking is not None
    assert asking.state == "asking"
    view.tally.took(None, [RegistrationFailed(user.aor, 400, "no SIP URI", 0.0)], world.at)
    hopeless = registration(world)
    assert hopeless is not None
    assert hopeless.retry is None
    metrics = world.metrics()
    assert metrics["ichat_gw_registrations_total unregistered"] == 1
    assert metrics["ichat_gw_registrations failed"] == 1
    assert metrics["ichat_gw_users"] == 1


def test_who_went_is_not_online(world: WatchedWorld) -> None:
    world.run(1.0)
    world.tick()
    world.alice.presence("unavailable")
    world.run(1.0)
    assert world.seen.users(world.at).users == ()


def test_what_was_turned_away_is_counted(world: WatchedWorld) -> None:
    world.run(0.1)
    world.gateway.admission.refused["MaxCalls"] = 3
    assert world.metrics()["ichat_gw_turned_away_total MaxCalls"] == 3
    assert COMPONENT in world.seen.status(world.at).jabber.component


def test_every_metric_of_the_table_is_told_sooner_or_later(world: WatchedWorld) -> None:
    world.alice.dial("5551234")
    world.run(2.0)
    names = {name.split()[0] for name in world.metrics()}
    gauges = {metric.name for metric in m.METRICS if metric.kind is m.Kind.GAUGE}
    assert gauges <= names
