"""A gateway that lets people on an XMPP server and people on SIP phones call each other."""

from importlib.metadata import version

__version__ = version("ichat-gw")
