"""The join string ``URL#0xOWNER``: all that an operator needs to join a network.

The URL says where to ask. The address says whom to believe: the network manifest found there must be signed by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from moray.errors import BadSetting
from moray.ethereum import is_checksum_address
from moray.web_address import plain_url


@dataclass(frozen=True, slots=True)
class JoinString:
    url: str  # of a gateway, see ``web_address.plain_url``
    owner: str  # EIP-55

    def __str__(self) -> str:
        return f"{self.url}#{self.owner}"


def parse_join_string(text: str) -> JoinString:
    """Raises BadSetting. Spaces around it and one slash at the URL's end are left out."""
    url, _, owner = text.strip().partition("#")
    try:
        plain_url(url := url.removesuffix("/"))
    except ValueError as error:
        raise BadSetting(f"no join string: {error}; paste what `moray network sign` printed") from None
    if not is_checksum_address(owner):
        raise BadSetting(
            "no join string: after the URL come # and the owner's address, upper and lower case as they were; "
            "paste what `moray network sign` printed"
        )
    return JoinString(url, owner)
