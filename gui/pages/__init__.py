"""The pages of the window. They show state and emit wishes; they know nothing of one another or of the service."""
