"""The words all sides speak: frozen structs and enums, no I/O, no library but msgspec."""
