"""Everything that understands bytes: sans-IO machines with no clock, no randomness and no socket."""
