"""The modules in which the official package keeps its terminals."""

from daytona.import_paths import add_modules

add_modules(__name__, {"async_pty_handle": "pty", "pty_handle": "pty"})
