"""Sockets without any protocol of ours: listening, TLS, streams, timers, and who is let in."""
