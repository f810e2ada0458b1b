"""`client.object_storage`: build contexts ahead of time, as a plugin that anybody could have written.

What a client needs by itself to make images is part of the package (`daytona.services.object_storage`), so that no image
depends on a plugin. This brings the same uploads within reach of programs: it uses the public `daytona.object_storage` and
`daytona.service`, and is found by its entry point.
"""
