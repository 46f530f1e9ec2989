"""Write a configuration to begin with, and the lines that let the gateway in at the XMPP server.

What the flags leave open is asked, if there is a terminal to ask at; otherwise it has its default, but for
--xmpp-domain and --sip-domain, which have none. The file has every setting with a comment, new passwords for
the component and for the status page, and the rules that connect all users with all phones. It is for its
owner's eyes alone (mode 0600), and a file that is there already is never touched.
"""

import argparse
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ichat_gw.cli.configuration import add_json
from ichat_gw.cli.exits import Exit
from ichat_gw.cli.output import say, show_json, warn
from ichat_gw.config import kinds
from ichat_gw.config.kinds import InvalidValue, Kind
from ichat_gw.config.load import load
from ichat_gw.config.problem import ConfigError
from ichat_gw.config.source import DEFAULT_FILE
from ichat_gw.config.writing import document
from ichat_gw.errors import GatewayError

Answers = Mapping[str, str]


class CannotWrite(GatewayError):
    """The configuration is not written; the text says why and what to do."""


class Unanswered(GatewayError):
    """A question without a default is left open, and there is nobody to ask."""

    exit = Exit.WRONG


@dataclass(frozen=True, slots=True)
class Question:
    """Something that the file has to say: asked, or given by the flag of the same name."""

    name: str
    text: str
    kind: Kind
    default: Callable[[Answers], str] | None = None
    """From the answers before it."""
    optional: bool = False
    """Whether blank is an answer."""

    @property
    def flag(self) -> str:
        """As on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def required(self) -> bool:
        """Whether only a person knows the answer."""
        return self.default is None and not self.optional


def _server(text: str) -> str:
    if text.lower() not in LINES:
        raise InvalidValue(f"{text!r} is neither")
    return text.lower()


def _sip_domain(text: str) -> str:
    host, colon, port = text.partition(":")
    kinds.HOST.read(host)
    if colon:
        kinds.PORT.read(port)
    return text


XMPP_SERVER = Kind("prosody or ejabberd", "NAME", _server)
SIP_DOMAIN = Kind("a domain name or an IP address, with a port if it is needed", "DOMAIN", _sip_domain)

QUESTIONS = (
    Question(
        "xmpp_server", "Which XMPP server is it, prosody or ejabberd?", XMPP_SERVER, lambda _: "prosody"
    ),
    Question("jabber_server", "On which host does it run?", kinds.HOST, lambda _: "127.0.0.1"),
    Question("xmpp_domain", "Which domain do its users have (what stands behind the @)?", kinds.DOMAIN),
    Question(
        "component",
        "Which domain of its own shall the gateway have there?",
        kinds.DOMAIN,
        lambda answers: f"ichat-gw.{answers['xmpp_domain']}",
    ),
    Question(
        "component_port",
        "At which port does the server take components?",
        kinds.PORT,
        lambda answers: "5347" if answers["xmpp_server"] == "prosody" else "5275",
    ),
    Question(
        "control", "What is the user name of the control contact?", kinds.LOCALPART, lambda _: "control"
    ),
    Question("sip_domain", "Which domain (or IP address) do the SIP phones have?", SIP_DOMAIN),
    Question(
        "outbound_proxy",
        "Through which SIP proxy do calls go (blank: straight to the domain)?",
        kinds.SIP_URI,
        optional=True,
    ),
    Question(
        "register",
        "Shall users be registered at the phone system while they are online?",
        kinds.ON_OFF,
        lambda _: "on",
    ),
    Question(
        "ip_address",
        "At which of its addresses is this machine reached by phones (blank: all)?",
        kinds.IP_ADDRESS,
        optional=True,
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "-o", "--output", metavar="FILE", default=DEFAULT_FILE, help=f"the file to write ({DEFAULT_FILE})"
    )
    parser.add_argument(
        "--server-lines",
        metavar="FILE",
        help="write the lines for the XMPP server into a new file, instead of to standard output",
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing: what is left open has its default")
    for question in QUESTIONS:
        parser.add_argument(question.flag, metavar=question.kind.metavar, help=question.text)
    add_json(parser)


def run(arguments: argparse.Namespace) -> Exit:
    """Ask, write, and say what comes next."""
    file = Path(arguments.output)
    lines_file = Path(arguments.server_lines) if arguments.server_lines else None
    for path in (file, lines_file):
        if path is not None and os.path.lexists(path):
            raise CannotWrite(f"{path} is there already and is left alone; name another file")
    answers = answered(arguments)
    password = secrets.token_urlsafe(24)
    lines = LINES[answers["xmpp_server"]](answers, password)
    _write_configuration(file, configuration_of(answers, password, secrets.token_urlsafe(18)))
    if lines_file is not None:
        _write_new(lines_file, lines)
    if arguments.json:
        where = str(lines_file) if lines_file else None
        show_json({"file": str(file), "server_lines_file": where, "server_lines": lines, "answers": answers})
        return Exit.OK
    server = answers["xmpp_server"]
    say(f"{file} is written.")
    say()
    if lines_file is not None:
        say(f"Next, put {lines_file} into the configuration of {server} ({PLACES[server]}) and restart it.")
    else:
        say(f"Next, put this into the configuration of {server} ({PLACES[server]}) and restart it:")
        say()
        say(lines)
    say("Then:")
    config = "" if arguments.output == DEFAULT_FILE else f" -c {file}"
    say(f"  ichat-gw check{config}      tries whether all is as the file says")
    say(f"  ichat-gw{config}            runs the gateway")
    return Exit.OK


def answered(arguments: argparse.Namespace) -> dict[str, str]:
    """An answer to every question: from the flags, from the terminal, or the default.

    Raises Unanswered, which names all that is missing and wrong, before anything is asked.
    """
    asks = not arguments.yes and sys.stdin.isatty()
    faults = []
    for question in QUESTIONS:
        given: str | None = getattr(arguments, question.name)
        if given is None and question.required and not asks:
            faults.append(f"{question.flag} is needed: {question.kind.allowed}")
        elif given is not None and (fault := _fault(question, given)):
            faults.append(f"{question.flag}: {fault}")
    if faults:
        raise Unanswered("\n".join(faults))
    answers: dict[str, str] = {}
    for question in QUESTIONS:
        given = getattr(arguments, question.name)
        default = question.default(answers) if question.default is not None else ""
        if given is not None:
            answers[question.name] = given.strip()
        elif asks:
            answers[question.name] = _ask(question, default)
        else:
            answers[question.name] = default
    return answers


def _ask(question: Question, default: str) -> str:
    while True:
        hint = f" [{default}]" if default else ""
        try:
            answer = input(f"{question.text}{hint} ").strip() or default
        except EOFError:
            raise Unanswered(f"{question.flag} is needed: {question.kind.allowed}") from None
        fault = _fault(question, answer)
        if not fault:
            return answer
        warn(fault)


def _fault(question: Question, answer: str) -> str:
    """What is wrong with an answer; "" when it is one."""
    if not answer.strip():
        return "" if question.optional else f"an answer is needed: {question.kind.allowed}"
    try:
        question.kind.read(answer.strip())
    except InvalidValue as error:
        return f"{error}; allowed: {question.kind.allowed}"
    return ""


def configuration_of(answers: Answers, password: str, status_password: str) -> str:
    """The file that the answers make."""
    registers = bool(kinds.ON_OFF.read(answers["register"]))
    values = {
        "JabberServer": answers["jabber_server"],
        "JabberComponentName": answers["component"],
        "JabberComponentPassword": password,
        "JabberComponentPort": answers["component_port"],
        "JabberControlUsername": answers["control"],
        "HttpAuth": "on",
        "HttpAuthPwd": status_password,
    }
    values |= {} if registers else {"RegistrationTime": "0"}
    for name, setting in (("ip_address", "IPAddress"), ("outbound_proxy", "OutboundProxy")):
        if answers[name]:
            values[setting] = answers[name]
    phones, users, component = answers["sip_domain"], answers["xmpp_domain"], answers["component"]
    host = phones.partition(":")[0]
    rules = [
        (
            f"What iChat users dial: 123@{component} calls 123 at {phones}.",
            f"^xmpp:(.*)@{_literal(component)}$",
            f"sip:$1@{phones}",
        ),
        (
            f"What SIP phones dial: alice@{host} calls alice@{users}.",
            f"^sip:(.*)@{_literal(host)}$",
            f"xmpp:$1@{users}",
        ),
    ]
    if registers:
        rules.append(
            (
                f"As whom iChat users are registered while they are online: alice@{users} as alice@{phones}.",
                f"^xmpp:(.*)@{_literal(users)}$",
                f"sip:$1@{phones}",
            )
        )
    return document(values, rules)


def _literal(text: str) -> str:
    """A pattern that finds just this domain."""
    return re.sub(r"([.])", r"\\\1", text)


# --- the XMPP server --------------------------------------------------------------------------------------


def _prosody(answers: Answers, password: str) -> str:
    port = answers["component_port"]
    ports = "" if port == "5347" else f"-- Above the first VirtualHost:\ncomponent_ports = {{ {port} }}\n\n"
    return f'{ports}-- At the end:\nComponent "{answers["component"]}"\n    component_secret = "{password}"\n'


def _ejabberd(answers: Answers, password: str) -> str:
    return (
        "# One more entry under listen:\n"
        f"  - port: {answers['component_port']}\n"
        '    ip: "127.0.0.1"\n'
        "    module: ejabberd_service\n"
        "    access: all\n"
        "    hosts:\n"
        f'      "{answers["component"]}":\n'
        f'        password: "{password}"\n'
    )


LINES: dict[str, Callable[[Answers, str], str]] = {"prosody": _prosody, "ejabberd": _ejabberd}
"""What the configuration of an XMPP server needs, by its name."""
PLACES = {"prosody": "/etc/prosody/prosody.cfg.lua", "ejabberd": "/etc/ejabberd/ejabberd.yml"}


# --- files ------------------------------------------------------------------------------------------------


def _write_configuration(path: Path, text: str) -> None:
    """Write the file if it is a configuration without fault. Raises CannotWrite."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / path.name
        _write_new(trial, text)
        try:
            load(trial)
        except ConfigError as error:
            raise CannotWrite(f"the answers make no configuration: {error}") from error
    _write_new(path, text)


def _write_new(path: Path, text: str) -> None:
    """Write a file for its owner's eyes alone, if there is none. Raises CannotWrite."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CannotWrite(f"{path} is there already and is left alone; name another file") from None
    except OSError as error:
        raise CannotWrite(
            f"{path} cannot be written: {error.strerror}; name a file in a folder that is yours"
        ) from error
