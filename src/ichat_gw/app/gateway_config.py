"""What the gateway machine is told of the settings, at the start and again at a reload."""

from dataclasses import dataclass, field

from ichat_gw.addressing.translation import TranslationRules
from ichat_gw.call.admission import Limits
from ichat_gw.call.transfer_policy import TransferPolicy
from ichat_gw.jabber.ichat.leg import IChatConfig


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """What a gateway must know, in its own terms."""

    rules: TranslationRules
    component: str
    """JabberComponentName: the domain of the gateway's JIDs."""
    ichat: IChatConfig
    local_hosts: frozenset[str]
    """Host names (in lower case) and addresses that mean this gateway in a Request-URI."""
    node: str
    """Distinguishes the call handles of this gateway from those of others, and of its own last run."""
    limits: Limits = field(default_factory=Limits)
    """Who may call, how often, and how many calls at once."""
    transfers: TransferPolicy = field(default_factory=TransferPolicy)
    """To whom SIP phones may transfer their calls."""
