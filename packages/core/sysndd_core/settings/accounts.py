"""Sessions, passwords and rate limits."""

from pydantic import Field

from sysndd_core.settings.base import SettingsGroup


class AccountSettings(SettingsGroup):
    """Sessions, links and password hashing."""

    session_hours: int = Field(
        12,
        alias="SESSION_HOURS",
        ge=1,
        le=8760,
        description="Maximum lifetime of a session, in hours.",
    )
    session_idle_minutes: int = Field(
        120,
        alias="SESSION_IDLE_MINUTES",
        ge=5,
        le=525_600,
        description="Minutes without a request after which a session ends.",
    )
    site_administrator_sign_in: bool = Field(
        True,
        alias="SITE_ADMINISTRATOR_SIGN_IN",
        description="Whether the site's own Administrators (role `Administrator` in the table"
        " `user`) have the operator role administrator. An operator with the same user name or"
        " address takes precedence: then only the operator's password gives access.",
    )
    invitation_hours: int = Field(
        72,
        alias="INVITATION_HOURS",
        ge=1,
        le=720,
        description="Hours for which the link in the invitation of an operator is valid.",
    )
    approval: bool = Field(
        False,
        alias="ACCOUNT_APPROVAL",
        description="Whether an administrator must approve each account after its email address"
        " is confirmed.",
    )
    confirm_hours: int = Field(
        48,
        alias="CONFIRM_HOURS",
        ge=1,
        le=720,
        description="Hours for which the link that confirms an email address is valid.",
    )
    password_reset_minutes: int = Field(
        60,
        alias="PASSWORD_RESET_MINUTES",
        ge=5,
        le=1440,
        description="Minutes for which a password reset link is valid.",
    )
    password_memory_kib: int = Field(
        19456,
        alias="PASSWORD_MEMORY_KIB",
        ge=8192,
        le=1048576,
        description="Memory cost of an argon2id password hash, in KiB. After an increase, a"
        " password is rehashed at the next sign-in.",
    )
    password_time_cost: int = Field(
        2,
        alias="PASSWORD_TIME_COST",
        ge=1,
        le=20,
        description="Time cost of an argon2id password hash, in passes. After an increase, a"
        " password is rehashed at the next sign-in.",
    )
    password_concurrency: int = Field(
        2,
        alias="PASSWORD_CONCURRENCY",
        ge=1,
        le=32,
        description="Maximum number of password hashes that one process computes concurrently.",
    )


class LimitSettings(SettingsGroup):
    """Rate limits. A client is an IP address as a trusted proxy reported it."""

    emails_per_address: int = Field(
        2,
        alias="LIMIT_EMAILS_PER_ADDRESS",
        ge=1,
        le=1000,
        description="Maximum number of emails with a link to one address per 20 minutes, for each"
        " kind of email. Further emails are not sent.",
    )
    requests_per_client: int = Field(
        30,
        alias="LIMIT_REQUESTS_PER_CLIENT",
        ge=1,
        le=1000000,
        description="Maximum number of registrations, link requests and link uses per client and"
        " hour.",
    )
    requests_total: int = Field(
        1000,
        alias="LIMIT_REQUESTS_TOTAL",
        ge=1,
        le=10000000,
        description="Maximum number of registrations, link requests and link uses per hour, for"
        " all clients together.",
    )
    failures_per_account_and_client: int = Field(
        20,
        alias="LIMIT_FAILURES_PER_ACCOUNT_AND_CLIENT",
        ge=1,
        le=1000000,
        description="Maximum number of failed sign-ins to one account by one client per 15"
        " minutes.",
    )
    failures_per_client: int = Field(
        60,
        alias="LIMIT_FAILURES_PER_CLIENT",
        ge=1,
        le=1000000,
        description="Maximum number of failed sign-ins by one client per 15 minutes.",
    )
    failures_per_account: int = Field(
        60,
        alias="LIMIT_FAILURES_PER_ACCOUNT",
        ge=1,
        le=1000000,
        description="Maximum number of failed sign-ins to one account per 15 minutes. Clients"
        " that the account has signed in from are not affected.",
    )
    failures_total: int = Field(
        3000,
        alias="LIMIT_FAILURES_TOTAL",
        ge=1,
        le=10000000,
        description="Maximum number of failed sign-ins per 15 minutes, for all clients together."
        " Known clients are not affected.",
    )
