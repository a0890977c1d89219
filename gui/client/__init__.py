"""The only room that knows HTTP: calls of verbs, the event stream, the service's process. QtCore and QtNetwork."""
