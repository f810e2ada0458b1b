"""Images of the embedded platform: described by Dockerfiles, found by name, kept as layers."""
