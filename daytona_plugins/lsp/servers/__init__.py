"""What answers for language servers inside a sandbox of the embedded platform, registered as anybody's would be."""
