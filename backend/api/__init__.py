"""The API: decode, call, encode. What is behind a verb is not known here."""
