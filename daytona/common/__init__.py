"""The import paths of the official package: re-exports, and nothing else."""
