from ichat_gw.addressing.translation import TranslationRule, TranslationRules
from ichat_gw.app.users import Users
from ichat_gw.sip.events import StartRegistration, StopRegistration

RULES = TranslationRules(
    [
        TranslationRule("^xmpp:(a|b)@(.*)$", "sip:$1@phones.localhost"),
        TranslationRule("^xmpp:loop@", "xmpp:elsewhere@jabber.localhost"),
    ]
)
A, B = "a@jabber.localhost", "b@jabber.localhost"
AOR_A, AOR_B = "sip:a@phones.localhost", "sip:b@phones.localhost"


def test_a_user_is_registered_once_and_given_back_once() -> None:
    users = Users(RULES)
    assert users.came(A) == [StartRegistration(AOR_A)]
    assert users.came(A) == []
    assert users.at(AOR_A) == A
    assert users.went(A) == [StopRegistration(AOR_A)]
    assert users.went(A) == []
    assert users.at(AOR_A) is None
    assert len(users) == 0


def test_a_user_whom_no_rule_leads_to_sip_is_not_registered() -> None:
    users = Users(RULES)
    for user in ("c@jabber.localhost", "loop@jabber.localhost"):
        assert users.aor_of(user) == ""
        assert users.came(user) == []
        assert users.registered_as(user) == ""
    users.came(A)
    assert users.registered_as(A) == AOR_A
    assert list(users.online) == ["c@jabber.localhost", "loop@jabber.localhost", A]


def test_two_users_with_one_address_of_record() -> None:
    users = Users(RULES)
    other = "a@other.localhost"
    assert users.came(A) == [StartRegistration(AOR_A)]
    assert users.came(other) == []
    assert users.went(A) == []
    assert users.at(AOR_A) == other
    assert users.went(other) == [StopRegistration(AOR_A)]


def test_who_does_not_come_back_after_the_death_of_the_connector_is_given_up() -> None:
    users = Users(RULES)
    users.came(A)
    users.came(B)
    users.connector_died()
    assert users.deadline() is None
    users.connected(10.0, known_in=130)
    assert users.came(A) == []
    assert users.deadline() == 140.0
    assert users.expire(139.9) == []
    assert users.expire(140.0) == [StopRegistration(AOR_B)]
    assert users.deadline() is None
    assert users.expire(1e9) == []
    users.connected(200.0, known_in=30)
    assert users.deadline() is None


def test_a_connector_that_lives_knows_itself_who_does_not_come_back() -> None:
    users = Users(RULES)
    users.came(A)
    users.disconnected()
    users.connected(10.0, known_in=30)
    assert users.deadline() is None


def test_nobody_is_given_up_while_nobody_can_be_told() -> None:
    users = Users(RULES)
    users.came(A)
    users.connector_died()
    users.connected(0.0, known_in=30)
    users.disconnected()
    assert users.expire(1e9) == []
    assert users.all_went() == [StopRegistration(AOR_A)]


def test_other_rules_move_those_who_are_online() -> None:
    users = Users(RULES)
    for user in (A, B, "c@jabber.localhost", "loop@jabber.localhost"):
        users.came(user)
    assert users.aors == (AOR_A, AOR_B)
    others = TranslationRules(
        [
            TranslationRule("^xmpp:a@", "sip:a@phones.localhost"),
            TranslationRule("^xmpp:(c|b)@", "sip:$1@new.localhost"),
        ]
    )
    assert users.reconfigure(others) == [
        StopRegistration(AOR_B),
        StartRegistration("sip:b@new.localhost"),
        StartRegistration("sip:c@new.localhost"),
    ]
    assert users.reconfigure(others) == []
    assert users.reconfigure(TranslationRules()) == [
        StopRegistration(AOR_A),
        StopRegistration("sip:b@new.localhost"),
        StopRegistration("sip:c@new.localhost"),
    ]
    assert users.reconfigure(RULES) == [StartRegistration(AOR_A), StartRegistration(AOR_B)]
