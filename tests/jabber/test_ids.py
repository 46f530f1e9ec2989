from ichat_gw.jabber.ids import Ids


def test_never_the_same_twice() -> None:
    ids = Ids("abc")
    assert [ids.next() for _ in range(3)] == ["abc00000001", "abc00000002", "abc00000003"]
