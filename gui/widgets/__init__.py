"""Reusable parts of a window without domain words: cards, pills, gauges, toasts, numbers."""
