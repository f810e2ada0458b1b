"""The modules in which the official package keeps its blocking classes."""

from daytona.import_paths import add_modules

add_modules(__name__)
