"""The control plane of the embedded platform: the REST API, the proxy to each sandbox, and what they remember."""
