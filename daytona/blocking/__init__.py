"""The blocking faces: the classes of `daytona.services` without "Async", written by `daytona.faces`."""
