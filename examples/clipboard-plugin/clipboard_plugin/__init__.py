"""A clipboard in every sandbox."""
