"""Commands of ``sysndd-admin`` for accounts."""

import argparse

from sysndd_api.cli.command import AddCommand, Command, CommandResult
from sysndd_api.context import Context
from sysndd_api.security.access import COMMAND_LINE, Role
from sysndd_api.users.models import UserQuery
from sysndd_api.users.service import Users
from sysndd_api.web.site_features import Feature, SiteFeatures


def add_account_commands(add: AddCommand) -> None:
    """Add the commands to the parser."""
    users = add("users", _with_accounts(_users), "list accounts")
    users.add_argument("--search", help="part of a user name, address, first or family name")
    users.add_argument(
        "--limit",
        type=int,
        default=50,
        choices=range(1, 501),
        metavar="1-500",
        help="maximum number of accounts (default 50)",
    )
    for name, command, summary in (
        ("approve", _approve, "approve a confirmed account"),
        ("deactivate", _deactivate, "deactivate an account and revoke its sessions"),
        ("reactivate", _reactivate, "reactivate a deactivated account"),
        ("set-role", _set_role, "change the role of an account and revoke its sessions"),
        ("end-sessions", _end_sessions, "revoke all sessions of an account"),
        ("resend-confirmation", _resend, "resend the email that confirms an account's address"),
    ):
        sub = add(name, _with_accounts(command), summary)
        sub.add_argument("user_name", help="user name or address")
        if name == "set-role":
            sub.add_argument("role", choices=[role.value for role in Role], help="the new role")


def _with_accounts(command: Command) -> Command:
    """Wrap a command: a table of users that is not SysNDD's must not be read as if it were."""

    async def checked(context: Context, options: argparse.Namespace) -> CommandResult:
        await context[SiteFeatures].require(Feature.ACCOUNTS)
        return await command(context, options)

    return checked


async def _users(context: Context, options: argparse.Namespace) -> CommandResult:
    query = UserQuery(search=options.search, page_size=options.limit)
    users, total = await context[Users].page(query)
    lines = [
        f"{view.user_id:>6}  {view.role:<13}  {view.state:<17}  {view.user_name}  {view.email}"
        for view in users
    ]
    text = "\n".join(lines) or "No account matches."
    return CommandResult(
        text, {"data": [view.model_dump(mode="json") for view in users], "total": total}
    )


async def _approve(context: Context, options: argparse.Namespace) -> CommandResult:
    await context[Users].approve(COMMAND_LINE, await context[Users].by_name(options.user_name))
    return _done(options, "approved; the owner is notified by email.")


async def _deactivate(context: Context, options: argparse.Namespace) -> CommandResult:
    await context[Users].deactivate(COMMAND_LINE, await context[Users].by_name(options.user_name))
    return _done(options, "deactivated; all sessions revoked.")


async def _reactivate(context: Context, options: argparse.Namespace) -> CommandResult:
    await context[Users].reactivate(COMMAND_LINE, await context[Users].by_name(options.user_name))
    return _done(options, "reactivated.")


async def _set_role(context: Context, options: argparse.Namespace) -> CommandResult:
    user_id = await context[Users].by_name(options.user_name)
    await context[Users].change_role(COMMAND_LINE, user_id, Role(options.role))
    return _done(options, f"role set to {options.role}; all sessions revoked.")


async def _end_sessions(context: Context, options: argparse.Namespace) -> CommandResult:
    user_id = await context[Users].by_name(options.user_name)
    ended = await context[Users].end_sessions(COMMAND_LINE, user_id)
    return _done(options, f"{ended} session(s) revoked.", ended=ended)


async def _resend(context: Context, options: argparse.Namespace) -> CommandResult:
    user_id = await context[Users].by_name(options.user_name)
    await context[Users].resend_confirmation(COMMAND_LINE, user_id)
    return _done(options, "confirmation email resent.")


def _done(options: argparse.Namespace, what: str, **more: int) -> CommandResult:
    return CommandResult(f"{options.user_name}: {what}", {"user_name": options.user_name, **more})
