"""Pure decisions: (rules, state, values, instant) → (state, transitions)."""
