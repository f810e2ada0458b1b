"""The toolbox: the HTTP server that runs as process 1 of every sandbox."""
