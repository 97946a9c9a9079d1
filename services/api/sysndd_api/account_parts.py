"""What every service around accounts is made of."""

from dataclasses import dataclass

from sysndd_api.account_mail import AccountMails
from sysndd_api.accounts.store import EmailChangeStore, KnownClientStore, TokenStore, UserStore
from sysndd_api.attempts import Attempts
from sysndd_api.audit.service import Audit
from sysndd_api.limits import Limiter
from sysndd_api.passwords import PasswordHashing
from sysndd_api.sessions.store import SessionStore
from sysndd_api.settings import ApiSettings
from sysndd_core.db.database import Database
from sysndd_core.mail.outbox import MailRows
from sysndd_core.settings.accounts import AccountSettings


@dataclass(frozen=True)
class AccountParts:
    """Stores, mails, hashing and limits; the services differ in what they do with them."""

    database: Database
    users: UserStore
    sessions: SessionStore
    tokens: TokenStore
    changes: EmailChangeStore
    clients: KnownClientStore
    hashing: PasswordHashing
    mails: AccountMails
    attempts: Attempts
    audit: Audit
    settings: AccountSettings


def account_parts(
    settings: ApiSettings,
    database: Database,
    *,
    audit: Audit,
    mail_rows: MailRows,
    hashing: PasswordHashing,
    limiter: Limiter,
) -> AccountParts:
    """Put the parts together."""
    clients = KnownClientStore(database)
    return AccountParts(
        database=database,
        users=UserStore(database),
        sessions=SessionStore(database, idle_minutes=settings.account.session_idle_minutes),
        tokens=TokenStore(database, settings.token.key),
        changes=EmailChangeStore(database),
        clients=clients,
        hashing=hashing,
        mails=AccountMails(mail_rows),
        attempts=Attempts(limiter, settings.limit, clients, audit),
        audit=audit,
        settings=settings.account,
    )
