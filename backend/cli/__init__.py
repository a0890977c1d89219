"""The prompt: every verb of the contract as a command, a client of the API like any other."""
