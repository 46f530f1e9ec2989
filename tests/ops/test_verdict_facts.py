"""Who is who in the facts of a call."""

from ichat_gw.ops.verdict_facts import Party, Person, counted
from ops.test_verdict_audio import GOOD, call


def test_people() -> None:
    assert (Person("sip:bob@192.0.2.7").name, Person("bob").name) == ("bob@192.0.2.7", "bob")
    assert Person("xmpp:alice@example.com").is_xmpp
    assert not Person("sip:xmpp:@x").is_xmpp


def test_sides() -> None:
    facts = call()
    assert (Party.CALLER.other, Party.CALLEE.other) == (Party.CALLEE, Party.CALLER)
    assert facts.person(Party.CALLEE).is_xmpp
    assert facts.port(Party.CALLER) == ("192.0.2.1", 20000)
    assert facts.port(Party.CALLEE) is None
    assert facts.counted(Party.CALLER) is GOOD
    assert facts.final is not None
    assert counted(facts.final, Party.CALLEE) is GOOD
    assert facts.talked == 60.0
