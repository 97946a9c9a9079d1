"""Sessions, passwords and rate limits."""

from pydantic import Field

from sysndd_core.settings.base import SettingsGroup


class AccountSettings(SettingsGroup):
    """Sessions and the life of an account."""

    session_hours: int = Field(
        12,
        alias="SESSION_HOURS",
        ge=1,
        le=8760,
        description="Hours after which a session ends, however busy it is.",
    )
    session_idle_minutes: int = Field(
        120,
        alias="SESSION_IDLE_MINUTES",
        ge=5,
        le=525_600,
        description="Minutes after which a session that nobody uses ends.",
    )
    approval: bool = Field(
        False,
        alias="ACCOUNT_APPROVAL",
        description="Whether a confirmed account waits for an administrator's approval.",
    )
    confirm_hours: int = Field(
        48,
        alias="CONFIRM_HOURS",
        ge=1,
        le=720,
        description="Hours for which the link that confirms an address works.",
    )
    reset_minutes: int = Field(
        60,
        alias="RESET_MINUTES",
        ge=5,
        le=1440,
        description="Minutes for which the link to a new password works.",
    )
    password_memory_kib: int = Field(
        19456,
        alias="PASSWORD_MEMORY_KIB",
        ge=8192,
        le=1048576,
        description="Memory of one argon2id hash, in KiB; raised, passwords are rehashed at sign-in.",
    )
    password_passes: int = Field(
        2,
        alias="PASSWORD_PASSES",
        ge=1,
        le=20,
        description="Passes of one argon2id hash; raised, passwords are rehashed at sign-in.",
    )
    password_threads: int = Field(
        2,
        alias="PASSWORD_THREADS",
        ge=1,
        le=32,
        description="Password hashes that one process computes at once.",
    )


class LimitSettings(SettingsGroup):
    """How often something may be tried. Clients are addresses as the trusted proxy gave them."""

    mails_per_address: int = Field(
        2,
        alias="LIMIT_MAILS_PER_ADDRESS",
        ge=1,
        le=1000,
        description="Mails with a link to one address in 20 minutes, of each kind; more are not sent.",
    )
    requests_per_client: int = Field(
        30,
        alias="LIMIT_REQUESTS_PER_CLIENT",
        ge=1,
        le=1000000,
        description="Registrations, requests for a link and uses of one, by one client in an hour.",
    )
    requests_in_all: int = Field(
        1000,
        alias="LIMIT_REQUESTS_IN_ALL",
        ge=1,
        le=10000000,
        description="The same by everybody in an hour.",
    )
    failures_per_pair: int = Field(
        20,
        alias="LIMIT_FAILURES_PER_PAIR",
        ge=1,
        le=1000000,
        description="Failed sign-ins to one account by one client in 15 minutes.",
    )
    failures_per_client: int = Field(
        60,
        alias="LIMIT_FAILURES_PER_CLIENT",
        ge=1,
        le=1000000,
        description="Failed sign-ins by one client in 15 minutes.",
    )
    failures_per_login: int = Field(
        60,
        alias="LIMIT_FAILURES_PER_LOGIN",
        ge=1,
        le=1000000,
        description="Failed sign-ins to one account in 15 minutes; clients it knows go on.",
    )
    failures_in_all: int = Field(
        3000,
        alias="LIMIT_FAILURES_IN_ALL",
        ge=1,
        le=10000000,
        description="Failed sign-ins in all in 15 minutes; known clients go on.",
    )
