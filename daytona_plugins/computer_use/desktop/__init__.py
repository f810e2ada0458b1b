"""The desktop inside a sandbox of the embedded platform: what answers `/computeruse` there."""
