"""The modules in which the official package keeps its asynchronous classes."""

from daytona.import_paths import add_modules

add_modules(__name__)
