"""Administration of operators, the people who run the platform."""
