"""A configuration file that is written is one that can be read, and says what was chosen."""

from pathlib import Path

from ichat_gw.addressing.translation import TranslationRule
from ichat_gw.config.load import load
from ichat_gw.config.table import SETTINGS
from ichat_gw.config.writing import document

CHOSEN = {
    "JabberServer": "jabber.company.com",
    "JabberComponentName": "ichat-gw.jabber.company.com",
    "JabberComponentPassword": "geheim",
    "JabberControlUsername": "control",
    "UDPTCPPort": "5080",
}
RULE = ("Phones.", "^xmpp:(.*)@ichat-gw.jabber.company.com$", "sip:$1@sipdomain.com")


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "ichat-gw.config"
    file.write_text(document(CHOSEN, [RULE, RULE]))
    loaded = load(file)
    assert loaded.warnings == ()
    assert loaded.settings.udp_tcp_port == 5080
    rules = loaded.settings.translation_rules
    assert [(rule.pattern, rule.output) for rule in rules] == [RULE[1:], RULE[1:]]
    assert isinstance(rules[0], TranslationRule)


def test_every_setting_stands_in_it_chosen_or_as_a_comment() -> None:
    lines = document(CHOSEN, [RULE]).splitlines()
    for setting in SETTINGS:
        name = setting.row.name
        chosen = name in CHOSEN or setting.row.pair
        assert [line for line in lines if line.startswith(f"{'' if chosen else '#'}{name} =")], name
