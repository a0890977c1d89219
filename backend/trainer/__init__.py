"""The torch island: one process that trains, evaluates and samples. Sees contract, formats and store.durable only."""
