"""How the window looks: colours, sizes, palette, icons, font. Knows Qt and nothing of the program."""
