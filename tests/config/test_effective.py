"""The settings in force, for people."""

from pathlib import Path

from ichat_gw.config.effective import effective
from ichat_gw.config.load import load
from ichat_gw.config.source import flag_parser, overrides_of
from ichat_gw.config.table import SETTINGS

TEXT = """\
JabberServer = jabber.company.com
JabberComponentName = ichat-gw.jabber.company.com
JabberComponentPassword = geheim
JabberControlUsername = control
LogFilename =
SIPCredentials = "the pbx" gateway geheim
SIPCredentials = * other geheim
TranslationPattern = ^xmpp:(.*)@a$
TranslationOutput = sip:$1@b
TranslationPattern = ^sip:(.*)@b$
TranslationOutput = xmpp:$1@a
"""


def test_values_with_their_places_and_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "my.config"
    file.write_text(TEXT)
    loaded = load(file, overrides_of(flag_parser().parse_args(["-sp", "5099"])))
    shown = {each.name: each for each in effective(loaded.settings, loaded.places)}
    assert list(shown) == [setting.row.name for setting in SETTINGS]
    assert "geheim" not in str([(each.text, each.places) for each in shown.values()])
    assert (shown["JabberServer"].text, shown["JabberServer"].places) == (
        "jabber.company.com",
        (f"{file}:1",),
    )
    assert shown["JabberComponentPassword"].text == "(set)"
    assert shown["TLSPrivateKeyPassPhrase"].text == "(not set)"
    assert (shown["UDPTCPPort"].text, shown["UDPTCPPort"].places) == ("5099", ("command line: -sp",))
    assert (shown["LogFilename"].text, shown["LogFilename"].places) == ("ichat-gw.log", ())
    assert shown["IPAddress"].text == ""
    assert shown["KeepAlives"].text == "on"
    assert shown["SIPCredentials"].text == '"the pbx" gateway (set)\n"*" other (set)'
    assert shown["SIPCredentials"].places == (f"{file}:6", f"{file}:7")
    assert shown["TranslationPattern"].text == "^xmpp:(.*)@a$ -> sip:$1@b\n^sip:(.*)@b$ -> xmpp:$1@a"
    assert shown["TranslationPattern"].places == (f"{file}:8", f"{file}:10")


def test_without_places(tmp_path: Path) -> None:
    file = tmp_path / "my.config"
    file.write_text(TEXT)
    assert all(each.places == () for each in effective(load(file).settings))
