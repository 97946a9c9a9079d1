"""SysNDD's HTTP API."""
