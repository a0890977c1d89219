"""What the tests of this room need: the application dressed in each theme."""

from tests.fakes.dressed import look

__all__ = ["look"]
