"""Weights on this machine: pulled from a card's sources, verified, kept under one root."""

from model_host.store.job import Listener, PullProgress
from model_host.store.store import Store

__all__ = ["Listener", "PullProgress", "Store"]
