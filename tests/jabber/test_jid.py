import pytest

from ichat_gw.jabber import jid


@pytest.mark.parametrize(
    ("text", "bare", "localpart", "domain", "resource"),
    [
        ("alice@a.b/c", "alice@a.b", "alice", "a.b", "c"),
        ("alice@a.b", "alice@a.b", "alice", "a.b", ""),
        ("a.b", "a.b", "", "a.b", ""),
        ("a.b/c@d/e", "a.b", "", "a.b", "c@d/e"),
        ("", "", "", "", ""),
    ],
)
def test_slices(text: str, bare: str, localpart: str, domain: str, resource: str) -> None:
    assert jid.bare(text) == bare
    assert jid.localpart(text) == localpart
    assert jid.domain(text) == domain
    assert jid.resource(text) == resource
