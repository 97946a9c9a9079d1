"""The emails of the benchmark."""

MAIL_FROM = "SysNDD <noreply@sysndd.example>"
PUBLIC_URL = "http://sysndd.example"


def recipient_of(number: int) -> str:
    return f"person{number}@sysndd.example"


def context_of(number: int) -> dict[str, str]:
    return {"requested_at": f"2026-01-01 00:00:00.{number:06}"}
