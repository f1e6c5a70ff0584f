"""Pure decisions: (rule, state, facts, instant) → (state, transitions). No clock, no I/O."""
