"""Reading the configuration again while calls are up: SIGHUP, and `ichat-gw reload`.

First everything is read and prepared: the file, the files that it names, the log file. Whatever is wrong with
any of that changes nothing, and is said. Then the new values are put in force, which cannot fail. A setting
whose row in the table is not live keeps its old value until the next start, and is named.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

from ichat_gw.app.configs import engine_config, gateway_config, tls_files, user_agent_config
from ichat_gw.app.gateway import Reconfigure
from ichat_gw.config.changes import Change, changes
from ichat_gw.config.credentials import SipCredentials
from ichat_gw.config.load import Loaded
from ichat_gw.config.problem import ConfigError
from ichat_gw.config.row import Section
from ichat_gw.config.table import SETTINGS, Settings
from ichat_gw.errors import GatewayError
from ichat_gw.ipc.messages import Configure
from ichat_gw.media.engine import MediaSettings
from ichat_gw.ops import logging, redact
from ichat_gw.ops.api import ReloadReply, SettingChange
from ichat_gw.sip.net.tls import certificate_of

PutInForce: TypeAlias = Callable[[], None]
"""What a part has prepared; must not fail."""

Prepare: TypeAlias = Callable[[Settings], PutInForce]
"""Gets a part ready for other settings, and changes nothing. Raises GatewayError when that cannot be."""

_TLS_TOGGLED = {
    False: (SettingChange(name="TLSPort", before="closed: there was no certificate", after="open"),),
    True: (SettingChange(name="TLSPort", before="open", after="closed: there is no certificate"),),
}
"""By whether TLS is open."""

_CONNECTION = ("jabber_server", "jabber_component_port", "jabber_component_password")
"""The settings that the connector's connection depends on."""

log = logging.get_logger(__name__)


class Reloader:
    """The configuration in force, and how another one gets there.

    `parts` prepare themselves in this order. `read` reads the configuration again, with the flags of the
    command line over it; it raises ConfigError.
    """

    def __init__(self, loaded: Loaded, read: Callable[[], Loaded], parts: Sequence[Prepare]) -> None:
        self.settings = loaded.settings
        """Those in force."""
        self.places: Mapping[str, tuple[str, ...]] = loaded.places
        """Where each was given: `Loaded.places`."""
        self.path = loaded.path
        self.when = datetime.now(UTC)
        """When they were read."""
        self._read = read
        self._parts = tuple(parts)
        self._tls = _tls_of(loaded.settings)
        self._has_tls = _speaks_tls(loaded.settings)

    def reload(self) -> ReloadReply:
        """Do it. Never raises for what is wrong with the configuration."""
        try:
            loaded = self._read()
        except ConfigError as error:
            return _refused(map(str, error.problems), map(str, error.warnings))
        hide_secrets(loaded.settings)
        # Its port is opened or closed at the start.
        toggled = _speaks_tls(loaded.settings) != self._has_tls
        found = changes(
            self.settings, loaded.settings, lambda setting: toggled and setting.row.section is Section.TLS
        )
        settings = found.settings
        warnings = tuple(map(str, loaded.warnings))
        try:
            ready = [prepare(settings) for prepare in self._parts]
            _open_log(self.settings, settings)
        except GatewayError as error:
            return _refused([str(error)], warnings)
        for put_in_force in ready:
            try:
                put_in_force()
            except Exception:
                # A bug in one part must not keep the others from what the file says.
                log.exception("internal error", while_processing="reload")
        self.settings, self.places, self.when = settings, loaded.places, datetime.now(UTC)
        reply = ReloadReply(
            done=True,
            changed=(*map(_told, found.live), *self._tls_changes(settings)),
            needs_restart=(*map(_told, found.restart), *(_TLS_TOGGLED[self._has_tls] if toggled else ())),
            warnings=warnings,
        )
        _note(reply)
        return reply

    def _tls_changes(self, settings: Settings) -> list[SettingChange]:
        """The files of TLS that have another content, though their names are the same."""
        before, self._tls = self._tls, _tls_of(settings)
        return [
            SettingChange(name=name, before=str(path), after=f"{path}, which has another content now")
            for name, (path, content) in self._tls.items()
            if name in before and before[name][0] == path and before[name][1] != content
        ]


def configure_log(settings: Settings) -> None:
    """Write the log as the settings say, and no secret of theirs into it. Raises GatewayError."""
    hide_secrets(settings)
    logging.configure(
        settings.log_level.value,
        str(settings.log_filename),
        max_lines=settings.log_file_max_lines,
        count=settings.log_file_count,
        form=settings.log_format.value,
    )


def hide_secrets(settings: Settings) -> None:
    """Never show a secret of these settings in the log."""
    for setting in SETTINGS:
        if setting.row.kind.secret:
            value = getattr(settings, setting.field)
            for secret in value if isinstance(value, tuple) else (value,):
                redact.register_secret(_plain(secret))


def gateway_machine(feed: Callable[[Reconfigure], None]) -> Prepare:
    """The part that is the gateway machine; `feed` hands it an event."""

    def prepare(settings: Settings) -> PutInForce:
        media = engine_config(settings)
        event = Reconfigure(
            gateway_config(settings),
            user_agent_config(settings),
            MediaSettings(media.first_port, media.last_port, media.filtered, media.media_timeout),
        )
        return lambda: feed(event)

    return prepare


def connector(
    tell: Callable[[Configure], None], start_again: Callable[[], None], in_force: Callable[[], Settings]
) -> Prepare:
    """The part that is the connector process.

    `tell` sends it a message. `start_again` ends it, after which it is started with the settings that are
    then in force: what it connects with it is told at its start only. Calls that are up have no need of it.
    """

    def prepare(settings: Settings) -> PutInForce:
        if any(getattr(settings, field) != getattr(in_force(), field) for field in _CONNECTION):
            return start_again
        message = Configure(
            settings.ichat_proceeding_timeout,
            settings.jabber_server_ping_duration,
            settings.numbers_reachable,
            settings.sip_messages,
            settings.trace_calls > 0 or settings.hep_server is not None,
            settings.log_level.value,
        )
        return lambda: tell(message)

    return prepare


def _plain(secret: object) -> str:
    """The text of a secret, or of the password of credentials; "" for none."""
    value = secret.password if isinstance(secret, SipCredentials) else secret
    return value.get_secret_value() if isinstance(value, SecretStr) else ""


def _open_log(before: Settings, after: Settings) -> None:
    names = ("log_level", "log_filename", "log_file_max_lines", "log_file_count", "log_format")
    if any(getattr(before, name) != getattr(after, name) for name in names):
        configure_log(after)


def _speaks_tls(settings: Settings) -> bool:
    """Whether there is a certificate, so that TLS is opened."""
    return certificate_of(tls_files(settings)) is not None


def _tls_of(settings: Settings) -> dict[str, tuple[Path, bytes]]:
    """The files of TLS by the names of their settings, with what is in them."""
    files = tls_files(settings)
    paths = {
        "TLSCertificate": certificate_of(files),
        "TLSPrivateKey": files.private_key,
        "TLSCAFile": files.ca_file,
        "TLSDHParamsFilename": files.dh_params,
    }
    found = {}
    for name, path in paths.items():
        if path is not None:
            try:
                found[name] = path, path.read_bytes()
            except OSError:
                continue
    return found


def _told(change: Change) -> SettingChange:
    return SettingChange(name=change.setting.row.name, before=change.before, after=change.after)


def _refused(problems: Iterable[str], warnings: Iterable[str]) -> ReloadReply:
    reply = ReloadReply(done=False, problems=tuple(problems), warnings=tuple(warnings))
    _note(reply)
    return reply


def _note(reply: ReloadReply) -> None:
    for warning in reply.warnings:
        log.warning("reload: warning", text=warning)
    for problem in reply.problems:
        log.err("reload: nothing was changed", text=problem)
    for change in reply.changed:
        log.info("reload: changed", setting=change.name, before=change.before, after=change.after)
    for change in reply.needs_restart:
        log.warning(
            "reload: needs a restart", setting=change.name, in_force=change.before, in_the_file=change.after
        )
    if reply.done:
        log.info("reloaded", changed=len(reply.changed), need_a_restart=len(reply.needs_restart))
