"""The process above the service: starts it, starts it again, writes down how things ended."""
