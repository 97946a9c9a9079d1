"""The HTTP API of SysNDD."""
