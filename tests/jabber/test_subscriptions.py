import pytest

from ichat_gw.ipc.messages import CheckSubscription, SendSubscriptionResponse, SipUnregisterJabberUser
from ichat_gw.jabber import stanza, subscriptions
from ichat_gw.jabber.events import Dropped, ForgetSubscription, RememberSubscription, SendStanza, Tell
from ichat_gw.jabber.subscriptions import CHECK_SECONDS, GREETING_BATCH, GREETING_PAUSE, Subscriptions
from jabber.scene import ALICE, COMPONENT, CONFIG, CONTROL, DIAL, MAC, UP, Scene, presence_of_control

STORED = [(ALICE, CONTROL), (ALICE, DIAL)]
CALLABLE = stanza.callable_(ALICE, DIAL)
YES = SendSubscriptionResponse(DIAL, ALICE, True)
NO = SendSubscriptionResponse(DIAL, ALICE, False)
ASK = CheckSubscription(DIAL, ALICE)
SUBSCRIBE_BACK = f"<presence type='subscribe' to='{ALICE}' from='{CONTROL}'/>"
PROBE = f"<presence type='probe' to='{ALICE}' from='{CONTROL}'/>"


def wants(type_: str, contact: str, user: str = ALICE) -> str:
    return f"<presence xml:lang='en' from='{user}' to='{contact}' type='{type_}'/>"


def says(type_: str, contact: str) -> str:
    return f"<presence type='{type_}' to='{ALICE}' from='{contact}'/>"


ACCEPTED = [RememberSubscription(ALICE, DIAL), says("subscribed", DIAL), CALLABLE, SUBSCRIBE_BACK]


# --- subscribing ----------------------------------------------------------------------------------------


def test_the_control_jid_is_always_accepted() -> None:
    scene = Scene()
    scene.hears(
        wants("subscribe", CONTROL),
        then=[
            RememberSubscription(ALICE, CONTROL),
            says("subscribed", CONTROL),
            presence_of_control(ALICE),
            SUBSCRIBE_BACK,
        ],
    )
    assert scene.connector.users_subscribed == 1
    scene.hears(wants("subscribed", CONTROL), then=[])
    scene.hears(wants("probe", CONTROL), then=[presence_of_control(ALICE)])


def test_a_speed_dial_that_a_rule_matches() -> None:
    scene = Scene()
    scene.hears(wants("subscribe", DIAL), then=[ASK])
    scene.hears(wants("subscribe", DIAL), then=[])
    assert scene.connector.open_checks == 1
    scene.is_told(YES, then=ACCEPTED)
    scene.is_told(YES, then=[Dropped("answer to no question about a subscription")])
    assert scene.connector.open_checks == 0


def test_a_speed_dial_that_no_rule_matches() -> None:
    scene = Scene()
    scene.hears(wants("subscribe", DIAL), then=[ASK])
    scene.is_told(NO, then=[says("unsubscribed", DIAL)])
    assert scene.connector.users_subscribed == 0


def test_a_rule_that_matches_no_more() -> None:
    scene = Scene(subscriptions=STORED)
    scene.hears(wants("subscribe", DIAL), then=[ASK])
    scene.is_told(NO, then=[says("unsubscribed", DIAL), ForgetSubscription(ALICE, DIAL)])
    assert scene.connector.users_subscribed == 1


def test_the_component_itself_is_no_phone() -> None:
    scene = Scene()
    scene.hears(wants("probe", COMPONENT, MAC), then=[stanza.available(ALICE, COMPONENT)])


def test_a_client_that_names_its_resource() -> None:
    Scene().hears(wants("subscribe", f"{DIAL}/x", MAC), then=[ASK])


def test_the_gateway_does_not_answer() -> None:
    scene = Scene()
    scene.hears(wants("subscribe", DIAL))
    scene.waits(CHECK_SECONDS, then=[Dropped("subscription never checked")])
    scene.is_told(YES, then=[Dropped("answer to no question about a subscription")])
    assert scene.connector.deadline() is None


def test_the_answer_comes_while_the_server_is_away() -> None:
    scene = Scene()
    scene.hears(wants("subscribe", DIAL))
    scene.disconnects()
    scene.is_told(YES, then=[RememberSubscription(ALICE, DIAL)])
    scene.connects(then=[UP, says("subscribed", DIAL), CALLABLE, SUBSCRIBE_BACK, PROBE, CALLABLE])


# --- unsubscribing --------------------------------------------------------------------------------------


def test_unsubscribe() -> None:
    scene = Scene(subscriptions=STORED)
    scene.hears(
        wants("unsubscribe", DIAL), then=[says("unsubscribed", DIAL), ForgetSubscription(ALICE, DIAL)]
    )
    scene.hears(
        wants("unsubscribe", CONTROL),
        then=[says("unsubscribed", CONTROL), ForgetSubscription(ALICE, CONTROL)],
    )
    scene.hears(wants("unsubscribe", CONTROL), then=[says("unsubscribed", CONTROL)])
    assert scene.connector.users_subscribed == 0


def test_unsubscribe_overtakes_the_answer() -> None:
    scene = Scene()
    scene.hears(wants("subscribe", DIAL))
    scene.hears(wants("unsubscribe", DIAL), then=[says("unsubscribed", DIAL)])
    scene.is_told(YES, then=[Dropped("answer to no question about a subscription")])


def test_an_account_that_is_gone() -> None:
    scene = Scene(subscriptions=STORED)
    scene.hears(
        f"<presence from='{ALICE}' to='{CONTROL}' type='error'><error type='cancel'>"
        "<gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>",
        then=[ForgetSubscription(ALICE, DIAL), ForgetSubscription(ALICE, CONTROL)],
    )
    assert scene.connector.users_subscribed == 0


def test_probe() -> None:
    scene = Scene()
    scene.hears(wants("probe", DIAL, MAC), then=[CALLABLE])


# --- the stream -----------------------------------------------------------------------------------------


def test_after_a_restart_everybody_is_greeted() -> None:
    scene = Scene(subscriptions=STORED, connected=False)
    scene.connects(then=[UP, PROBE, CALLABLE, presence_of_control(ALICE)])
    assert scene.connector.deadline() is None


def test_many_are_greeted_some_at_a_time() -> None:
    many = [(f"user{n}@jabber.localhost", CONTROL) for n in range(2 * GREETING_BATCH + 1)]
    scene = Scene(subscriptions=many, connected=False)
    assert len(scene.connects()) == 1 + 2 * GREETING_BATCH
    assert scene.connector.deadline() == scene.now + GREETING_PAUSE
    assert len(scene.waits(GREETING_PAUSE)) == 2 * GREETING_BATCH
    assert len(scene.waits(GREETING_PAUSE)) == 2
    assert scene.connector.deadline() is None


def test_a_break_ends_the_greeting() -> None:
    many = [(f"user{n}@jabber.localhost", CONTROL) for n in range(GREETING_BATCH + 1)]
    scene = Scene(subscriptions=many)
    scene.disconnects()
    scene.waits(1.0, then=[])


def test_unsubscribed_before_being_greeted() -> None:
    many = [(f"user{n}@jabber.localhost", CONTROL) for n in range(GREETING_BATCH + 1)]
    scene = Scene(subscriptions=many)
    scene.hears(wants("unsubscribe", CONTROL, many[-1][0]))
    scene.waits(1.0, then=[])


def test_both_timers() -> None:
    many = [(f"user{n}@jabber.localhost", CONTROL) for n in range(GREETING_BATCH + 1)]
    table = Subscriptions(CONFIG, many)
    assert table.deadline() is None
    table.subscribe(ALICE, DIAL, 1.0)
    assert table.deadline() == 1.0 + CHECK_SECONDS
    table.stream_up(1.0)
    assert table.deadline() == 1.0 + GREETING_PAUSE
    assert table.contacts(ALICE) == []


def test_stop() -> None:
    table = Subscriptions(CONFIG, STORED)
    table.subscribe(ALICE, "1@ichat-gw.jabber.localhost", 1.0)
    assert table.stop() == [SendStanza(says("unavailable", DIAL)), SendStanza(says("unavailable", CONTROL))]
    assert table.deadline() is None
    assert len(table) == 1


# --- limits ---------------------------------------------------------------------------------------------


def test_too_many_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_CHECKS", 0)
    Scene().hears(wants("subscribe", DIAL), then=[Dropped("too many subscriptions to check")])


@pytest.mark.parametrize(("limit", "user"), [("MAX_CONTACTS", ALICE), ("MAX_USERS", "bob@jabber.localhost")])
def test_too_many_subscriptions(monkeypatch: pytest.MonkeyPatch, limit: str, user: str) -> None:
    monkeypatch.setattr(subscriptions, limit, 1)
    scene = Scene(subscriptions=[(ALICE, DIAL)])
    no = f"<presence type='unsubscribed' to='{user}' from='{CONTROL}'/>"
    scene.hears(wants("subscribe", CONTROL, user), then=[Dropped("too many subscriptions"), no])
    scene.hears(wants("subscribe", DIAL), then=[ASK])
    scene.is_told(YES, then=ACCEPTED)


def test_greeting_many_takes_its_time_and_nobody_is_given_up_before() -> None:
    others = [(f"user{number}@jabber.localhost", CONTROL) for number in range(3000)]
    scene = Scene(subscriptions=[*others, (ALICE, CONTROL)], online=[MAC])
    scene.waits(10.0)
    scene.disconnects()
    first = scene.connects()
    asked = sum(isinstance(command, SendStanza) and "probe" in command.xml for command in first)
    assert asked == GREETING_BATCH
    unregister = SipUnregisterJabberUser(ALICE)
    assert Tell(unregister) not in scene.waits(32.9)
    assert scene.waits(0.2) == [Tell(unregister)]
