"""Training files: copied in under their hash, checked, and the validation set. Writes below datasets/ and
data/validation/ through backend.store.durable."""
