"""Accounts of both realms, for everything that does not depend on where an account is stored."""

from dataclasses import dataclass

from sysndd_api.accounts.operator_store import OperatorStore
from sysndd_api.accounts.store import UserStore
from sysndd_api.security.access import Account
from sysndd_api.web.site_features import Feature, SiteFeatures
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.db.database import Transaction
from sysndd_core.errors import SchemaChanging, SchemaDamaged, SysnddError


@dataclass(frozen=True)
class Found:
    """The accounts with one login or address, at most one in each realm.

    Attributes:
        site_error: Why the site's accounts cannot be read now. Operators must be able to sign in
            while the application schema is damaged or missing, so this is not raised.
    """

    operator: Account | None
    user: Account | None
    site_error: SysnddError | None = None

    @property
    def accounts(self) -> list[Account | None]:
        """Both accounts."""
        return [self.operator, self.user]


class People:
    """Finds accounts in both realms.

    Args:
        operators: The operators.
        users: The site's users.
        features: Tells whether the site has users.
    """

    def __init__(self, operators: OperatorStore, users: UserStore, features: SiteFeatures) -> None:
        self._operators = operators
        self._users = users
        self._features = features

    def store(self, realm: Realm) -> OperatorStore | UserStore:
        """Return the store of a realm."""
        return self._operators if realm is Realm.OPERATOR else self._users

    async def by_login(self, login: str) -> Found:
        """Return the accounts with a user name or address."""
        operator = await self._operators.by_login(login)
        if not await self._features.has(Feature.ACCOUNTS):
            return Found(operator, None)
        try:
            return Found(operator, await self._users.by_login(login))
        except (SchemaChanging, SchemaDamaged) as error:
            return Found(operator, None, error)

    async def by_email(self, email: str) -> Found:
        """Return the accounts with an address."""
        operator = await self._operators.by_email(email)
        if not await self._features.has(Feature.ACCOUNTS):
            return Found(operator, None)
        try:
            return Found(operator, await self._users.by_email(email))
        except (SchemaChanging, SchemaDamaged) as error:
            return Found(operator, None, error)

    async def by_key(self, key: AccountKey | None) -> Account | None:
        """Return an account, or None."""
        return await self.store(key.realm).by_id(key.id) if key is not None else None

    async def lock(self, tx: Transaction, key: AccountKey) -> Account | None:
        """Return an account, and lock its row until the transaction ends."""
        return await self.store(key.realm).lock(tx, key.id)

    async def has_site_accounts(self) -> bool:
        """Return whether the site has users of its own."""
        return await self._features.has(Feature.ACCOUNTS)
