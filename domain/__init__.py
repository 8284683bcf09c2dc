"""The rules: models, messages, states and decisions, without clock, I/O or Temporal (SPEC D3).

Nothing here may import another package of ours, read the time, draw random numbers or touch the
world. Workflows hand in the time they take from `workflow.now()`; activities hand in what they saw.
"""
