"""What the screens show: stores and models, kept true to the service's last word. QtCore only, no widgets."""
