"""What makes a process tree a sandbox: namespaces, a root file system, and the processes that build them."""
