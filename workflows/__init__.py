"""The processes, each told top-down by its `run` (SPEC D3): they order things in time and touch nothing."""
