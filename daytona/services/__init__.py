"""Every operation, once: plain `async def` methods that await the transport and nothing else."""
