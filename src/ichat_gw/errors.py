"""The root of every error this program raises on purpose.

Each room derives its own errors from `GatewayError`, so that a shell can tell "we refuse this input"
(documented, expected, counted) from a bug (anything else). A message says what is wrong, where, and
what is allowed.
"""


class GatewayError(Exception):
    """Something we refuse, with a sentence that an operator can act on."""
