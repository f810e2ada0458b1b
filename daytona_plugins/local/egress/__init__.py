"""The one way out of a sandbox whose network is limited: a gate that knows what it may reach."""
