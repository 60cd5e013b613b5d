"""Moray, Mixture-of-experts Over Ray: a decentralised inference network for Web3 agents."""

from importlib.metadata import version

__version__ = version("moray")
