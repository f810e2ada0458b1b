"""Plugins that come with the distribution, registered exactly as anybody else's would be."""
