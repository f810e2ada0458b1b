"""The one way out of a sandbox whose network is limited: a proxy that knows what it may reach."""
