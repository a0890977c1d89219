"""The frame around the pages: window, navigation, header, status bar, palette of commands, tray, notices."""
