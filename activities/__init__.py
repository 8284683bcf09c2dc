"""What touches the world: one module per outside system. Nothing here calls back into a process (SPEC D3)."""
