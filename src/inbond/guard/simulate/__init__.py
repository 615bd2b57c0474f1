"""Simulated traffic, lawful and not, to judge what judges traffic by: seeded, streamed, the truth beside."""

from inbond.guard.simulate.profiles import choose
from inbond.guard.simulate.row import Row, Truth
from inbond.guard.simulate.scenario import START_S, Scenario
from inbond.guard.simulate.stream import Ban, bans, simulate

__all__ = ["START_S", "Ban", "Row", "Scenario", "Truth", "bans", "choose", "simulate"]
