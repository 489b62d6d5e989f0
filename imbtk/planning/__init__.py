"""What will be trained: configuration, plan, phases, ledger, over-correction."""
