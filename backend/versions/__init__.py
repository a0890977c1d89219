"""Base models, lineages, checkpoints and which of them stay. Reads current_model/; removes only in retention."""
