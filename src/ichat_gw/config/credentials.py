"""What we answer a SIP server's question for a password with: one line of the configuration each."""

from dataclasses import dataclass

from pydantic import SecretStr

from ichat_gw.addressing.sip_grammar import InvalidSyntax, quoted_end, unquote
from ichat_gw.config.kinds import InvalidValue, Kind

ANY_REALM = "*"
"""Stands for every realm."""


@dataclass(frozen=True, slots=True)
class SipCredentials:
    """A user name and a password for one realm; the password does not show in `repr`."""

    realm: str
    """As the server writes it, without quotation marks; `ANY_REALM` for all."""
    user: str
    """Of the authentication; it need not be that of the address it is for."""
    password: SecretStr

    def serves(self, realm: str) -> bool:
        """Tell whether these are for `realm`, by name or because they are for all."""
        return self.realm in (realm, ANY_REALM)


def _credentials(text: str) -> SipCredentials:
    try:
        # Nothing of the text goes into a message: where it is wrong, the password may stand anywhere.
        realm, rest = _word(text)
        user, password = _word(rest)
    except InvalidSyntax:
        raise InvalidValue("a quotation mark is not closed") from None
    if not realm or not user or not password:
        raise InvalidValue("there are fewer than three words")
    if not (realm + user + password).isprintable() or '"' in user or "\\" in user:
        raise InvalidValue("it contains a character that realm, user or password cannot have")
    return SipCredentials(realm, user, SecretStr(password))


def _word(text: str) -> tuple[str, str]:
    """Take the first word off, which may stand in quotation marks. Raises InvalidSyntax."""
    if text.startswith('"'):
        end = quoted_end(text, 0) + 1
        word, rest = unquote(text[:end]), text[end:]
        if rest and not rest[0].isspace():
            return "", ""
        return word, rest.strip()
    word, rest = [*text.split(maxsplit=1), "", ""][:2]
    return word, rest


def _write(value: object) -> str:
    """Of a list of them, which has no text; none are shown."""
    return ""


CREDENTIALS = Kind(
    'a realm (in "quotation marks" if it contains spaces, or * for any), a user name and a password, '
    "separated by spaces; the password is the rest of the line",
    "CREDENTIALS",
    _credentials,
    secret=True,
    write=_write,
)
