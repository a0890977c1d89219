"""File formats shared by trainer, checker and service: numpy and the standard library only."""
