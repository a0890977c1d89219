"""The window. Knows Qt and `backend.contract`; closing it, or losing it, never touches training."""
