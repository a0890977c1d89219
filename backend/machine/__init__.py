"""The machine underneath: processors, memory, graphics cards, disks, other processes. Asks, never changes."""
