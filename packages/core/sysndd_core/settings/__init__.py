"""Setting groups, one module per group; a service's ``settings`` composes those it reads."""
