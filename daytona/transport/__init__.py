"""The only place with sockets, clocks and event loops: one HTTP transport, written once, over three drivers."""
