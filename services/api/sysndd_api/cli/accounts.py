"""Commands of ``sysndd-admin`` for accounts."""

import argparse
from typing import Any

from sysndd_api.cli.command import AddCommand
from sysndd_api.context import Context
from sysndd_api.security.access import COMMAND_LINE, Role
from sysndd_api.users.models import UserQuery
from sysndd_api.users.service import Users


def add_account_commands(add: AddCommand) -> None:
    """Add the commands to the parser."""
    users = add("users", _users, "list accounts")
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
        sub = add(name, command, summary)
        sub.add_argument("user_name", help="user name or address")
        if name == "set-role":
            sub.add_argument("role", choices=[role.value for role in Role], help="the new role")


async def _users(context: Context, options: argparse.Namespace) -> dict[str, Any]:
    query = UserQuery(search=options.search, page_size=options.limit)
    users, total = await context[Users].page(query)
    lines = [
        f"{view.user_id:>6}  {view.role:<13}  {view.state:<17}  {view.user_name}  {view.email}"
        for view in users
    ]
    say = "\n".join(lines) or "No account matches."
    return {"data": [view.model_dump(mode="json") for view in users], "total": total, "say": say}


async def _approve(context: Context, options: argparse.Namespace) -> dict[str, Any]:
    await context[Users].approve(COMMAND_LINE, await context[Users].by_name(options.user_name))
    return _done(options, "approved; the owner is notified by email.")


async def _deactivate(context: Context, options: argparse.Namespace) -> dict[str, Any]:
    await context[Users].deactivate(COMMAND_LINE, await context[Users].by_name(options.user_name))
    return _done(options, "deactivated; all sessions revoked.")


async def _reactivate(context: Context, options: argparse.Namespace) -> dict[str, Any]:
    await context[Users].reactivate(COMMAND_LINE, await context[Users].by_name(options.user_name))
    return _done(options, "reactivated.")


async def _set_role(context: Context, options: argparse.Namespace) -> dict[str, Any]:
    user_id = await context[Users].by_name(options.user_name)
    await context[Users].change_role(COMMAND_LINE, user_id, Role(options.role))
    return _done(options, f"role set to {options.role}; all sessions revoked.")


async def _end_sessions(context: Context, options: argparse.Namespace) -> dict[str, Any]:
    user_id = await context[Users].by_name(options.user_name)
    ended = await context[Users].end_sessions(COMMAND_LINE, user_id)
    return _done(options, f"{ended} session(s) revoked.") | {"ended": ended}


async def _resend(context: Context, options: argparse.Namespace) -> dict[str, Any]:
    user_id = await context[Users].by_name(options.user_name)
    await context[Users].resend_confirmation(COMMAND_LINE, user_id)
    return _done(options, "confirmation email resent.")


def _done(options: argparse.Namespace, what: str) -> dict[str, Any]:
    return {"user_name": options.user_name, "say": f"{options.user_name}: {what}"}
