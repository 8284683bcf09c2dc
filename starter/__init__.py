"""Everything outside Temporal: the client of processes, the command line and the embedded stack (SPEC 3)."""
