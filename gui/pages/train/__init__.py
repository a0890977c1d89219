"""The Train page: drop a file, see it learn."""
