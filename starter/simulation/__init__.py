"""Simulation: what a definition will do to a request, before it is published (SPEC 4; docs/simulation.md).

The real workflow runs on the real server, on a clock that jumps from one event to the next. Nothing of it
outlives the simulation, and no mail leaves the machine.
"""
