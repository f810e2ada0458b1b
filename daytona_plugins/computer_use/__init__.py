"""The desktop of a sandbox: the service for programs, and what answers it inside the embedded platform's sandboxes."""
