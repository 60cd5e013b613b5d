"""Base units as people read them."""

from __future__ import annotations

from moray.agents.policy.policy import Asset


def show_amount(asset: Asset, amount: int) -> str:
    """ "1.5 USD" """
    digits = str(amount).rjust(asset.decimals + 1, "0")
    whole, fraction = digits[: len(digits) - asset.decimals], digits[len(digits) - asset.decimals :].rstrip("0")
    return f"{whole}{'.' if fraction else ''}{fraction} {asset.name}"
