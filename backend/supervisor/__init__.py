"""The trainer process: how it is started, found again, told what to do, listened to, and what its end means."""
