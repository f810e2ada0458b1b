"""Language servers in sandboxes: what could be written at a place, and what a document or a project defines."""
