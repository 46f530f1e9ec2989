"""The other half of digest authentication, for tests: makes challenges and checks answers by the formulas."""

import hashlib
import re

from ichat_gw.sip.message import Request, Response
from tests.sip.ladder import Peer

PASSWORD = "open sesame"
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


def asks(
    peer: Peer, request: Request, nonce: str, *, status: int = 401, realm: str = "pbx", more: str = ""
) -> Response:
    """Answer a request with a challenge."""
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return peer.answers(
        request, status, **{name: f'Digest realm="{realm}", nonce="{nonce}", qop="auth"{more}'}
    )


def answer_in(request: Request) -> dict[str, str]:
    """The fields of the one answer that a request brings; empty without one."""
    lines = request.headers.get_all("Authorization") + request.headers.get_all("Proxy-Authorization")
    assert len(lines) < 2
    found = re.findall(r'([a-z-]+)=("[^"]*"|[^",]+)', lines[0]) if lines else ()
    return {key: value.strip('"') for key, value in found}


def is_right(request: Request, password: str = PASSWORD) -> bool:
    """Whether the answer proves the password for this very request (RFC 7616 section 3.4.1, qop=auth)."""
    answer = answer_in(request)

    def h(*parts: str) -> str:
        name = _HASHES[answer.get("algorithm", "MD5")]
        return hashlib.new(name, ":".join(parts).encode()).hexdigest()

    a1 = h(answer["username"], answer["realm"], password)
    a2 = h(request.method, answer["uri"])
    bound = (answer["nonce"], answer["nc"], answer["cnonce"], answer["qop"])
    return answer["uri"] == request.uri and answer["response"] == h(a1, *bound, a2)
