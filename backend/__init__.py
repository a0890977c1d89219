"""Everything behind the window: service, trainer and the words they share."""
