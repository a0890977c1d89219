"""What asks or shows beside the pages; nothing in here blocks."""
