"""Jobs: their states, their order, what a user can do with them and undo. Needs a Transaction, touches no file."""
