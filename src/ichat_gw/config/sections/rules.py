"""The rules that translate addresses."""

from functools import partial
from typing import Annotated

from pydantic import BaseModel

from ichat_gw.addressing.translation import TranslationRule
from ichat_gw.config.kinds import Kind
from ichat_gw.config.row import Row, Section

row = partial(Row, Section.RULES)


class RuleSettings(BaseModel):
    """The rules that translate addresses."""

    translation_rules: Annotated[
        tuple[TranslationRule, ...],
        row(
            "TranslationPattern",
            Kind("a Perl compatible regular expression (PCRE)", "PATTERN", str),
            "A called address, such as `xmpp:72*123@ichat-gw.jabber.company.com` or "
            "`sip:username@sipdomain.com`, is translated by the first rule, from the top, whose "
            "TranslationPattern is found anywhere in it. Its TranslationOutput is then the address to "
            "call: `$1` to `$9` stand for what the pattern's groups took, and it must begin with `xmpp:`, "
            "`sip:` or `sips:`. Any number of rules can be given, each as a pattern followed by its "
            "output; an address that no rule translates cannot be called. Characters need no care: what a "
            "JID escapes (XEP-0106) and what a SIP address escapes (percent) are written in the way of the "
            "network that the call goes to.",
            pair="TranslationOutput",
            default_words="none",
            live=True,
        ),
    ] = ()
