"""Commands of ``sysndd-admin`` for operators: the people who run the platform."""

import argparse
import getpass
import sys
from pathlib import Path

from sysndd_api.cli.command import AddCommand, Command, CommandResult
from sysndd_api.context import Context
from sysndd_api.operators.models import NewOperator, OperatorChange, OperatorQuery
from sysndd_api.operators.service import Operators
from sysndd_api.security.access import COMMAND_LINE, OperatorRole
from sysndd_api.security.passwords import check_password
from sysndd_api.users.administrators import Administrators
from sysndd_api.web.site_features import Feature, SiteFeatures
from sysndd_core.errors import Conflict, SysnddError
from sysndd_core.settings.site import SiteSettings

_ROLES = [role.value for role in OperatorRole]


def add_operator_commands(
    add: AddCommand, commands: "argparse._SubParsersAction[argparse.ArgumentParser]"
) -> None:
    """Add the commands to the parser.

    Args:
        add: Adds a command.
        commands: The commands, to which the group ``operator`` is added.
    """
    alias = add("create-admin", _create_admin, "create an operator with the role administrator")
    _add_identity(alias)
    _add_password_source(alias)
    password = add(
        "set-password",
        _set_password,
        "set the password of an operator or site Administrator and revoke the sessions",
    )
    password.add_argument("--user-name", required=True, help="name of the account")
    _add_password_source(password)

    summary = "manage the people who run the platform"
    group = commands.add_parser("operator", help=summary, description=summary)
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")

    def act(name: str, command: Command, summary: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=summary, description=summary)
        sub.add_argument("--json", action="store_true", help="print JSON")
        sub.set_defaults(command=command)
        return sub

    create = act("create", _create, "create an operator, with a password or an invitation by email")
    _add_identity(create)
    create.add_argument(
        "--role", choices=_ROLES, default="administrator", help="default: %(default)s"
    )
    source = _add_password_source(create)
    source.add_argument(
        "--invite", action="store_true", help="email a link with which a password is chosen"
    )
    act("list", _list, "list operators")
    for name, command, summary in (
        ("disable", _disable, "disable an operator and revoke the sessions"),
        ("enable", _enable, "enable a disabled operator"),
        ("set-role", _set_role, "change the role of an operator and revoke the sessions"),
        ("set-email", _set_email, "change the address of an operator"),
        ("set-password", _set_password, "set the password of an operator and revoke the sessions"),
    ):
        sub = act(name, command, summary)
        sub.add_argument("user_name", help="user name or address")
        if name == "set-role":
            sub.add_argument("role", choices=_ROLES, help="the new role")
        if name == "set-email":
            sub.add_argument("email", help="the new address")
        if name == "set-password":
            _add_password_source(sub)


def _add_identity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user-name", required=True, help="name of the operator")
    parser.add_argument("--email", required=True, help="address of the operator")


def _add_password_source(
    parser: argparse.ArgumentParser,
) -> "argparse._MutuallyExclusiveGroup":
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--password-stdin", action="store_true", help="read the password from stdin"
    )
    source.add_argument("--password-file", type=Path, help="read the password from a file")
    return source


async def _create_admin(context: Context, options: argparse.Namespace) -> CommandResult:
    options.role, options.invite = OperatorRole.ADMINISTRATOR.value, False
    return await _create(context, options)


async def _create(context: Context, options: argparse.Namespace) -> CommandResult:
    new = _validated(options)
    operators = context[Operators]
    if options.invite:
        view = await operators.invite(COMMAND_LINE, new.user_name, new.email, new.role)
        text = f"Operator {view.user_name} was invited; the link is sent to {view.email}."
        created = True
    else:
        view, created = await operators.create(
            new.user_name, new.email, new.role, read_password(context, options)
        )
        text = (
            f"Operator {view.user_name} was created with the role {view.role}."
            if created
            else f"Operator {view.user_name} already exists; no changes made."
        )
    if view.remark:
        text += f" {view.remark}"
    return CommandResult(text, {"created": created, **view.model_dump(mode="json")})


def _validated(options: argparse.Namespace) -> NewOperator:
    values = {"user_name": options.user_name, "email": options.email, "role": options.role}
    try:
        return NewOperator.model_validate(values)
    except ValueError as error:
        raise SysnddError(
            f"--user-name {options.user_name!r} or --email {options.email!r} is not valid: a user"
            " name has 2 to 64 characters and no @; an address looks like name@example.org."
        ) from error


async def _list(context: Context, _: argparse.Namespace) -> CommandResult:
    views, total = await context[Operators].page(OperatorQuery(page_size=500))
    lines = [
        f"{view.operator_id:>6}  {view.role:<13}  {view.state:<8}  {view.user_name}  {view.email}"
        for view in views
    ]
    text = "\n".join(lines) or (
        "There are no operators. Create one with: sysndd-admin operator create --user-name NAME"
        " --email ADDRESS"
    )
    return CommandResult(
        text, {"data": [view.model_dump(mode="json") for view in views], "total": total}
    )


async def _disable(context: Context, options: argparse.Namespace) -> CommandResult:
    return await _change(
        context, options, OperatorChange(state="disabled"), "disabled; all sessions revoked."
    )


async def _enable(context: Context, options: argparse.Namespace) -> CommandResult:
    return await _change(context, options, OperatorChange(state="active"), "enabled.")


async def _set_role(context: Context, options: argparse.Namespace) -> CommandResult:
    change = OperatorChange(role=OperatorRole(options.role))
    return await _change(
        context, options, change, f"role set to {options.role}; all sessions revoked."
    )


async def _set_email(context: Context, options: argparse.Namespace) -> CommandResult:
    try:
        change = OperatorChange(email=options.email)
    except ValueError as error:
        raise SysnddError(f"{options.email} is not a valid email address.") from error
    return await _change(context, options, change, f"address set to {options.email}.")


async def _change(
    context: Context, options: argparse.Namespace, change: OperatorChange, done: str
) -> CommandResult:
    operators = context[Operators]
    operator_id = await operators.by_name(options.user_name)
    view = await operators.change(COMMAND_LINE, operator_id, change)
    return CommandResult(f"{view.user_name}: {done}", view.model_dump(mode="json"))


async def _set_password(context: Context, options: argparse.Namespace) -> CommandResult:
    name, password = options.user_name, read_password(context, options)
    if not await context[Operators].set_password(name, password):
        if not await context[SiteFeatures].has(Feature.ACCOUNTS):
            raise Conflict(f"There is no operator named {name}.")
        await context[Administrators].set_password(name, password)
    return CommandResult(f"Password of {name} set; all sessions revoked.", {"user_name": name})


def read_password(context: Context, options: argparse.Namespace) -> str:
    """Read a new password from the source that the options name, or from the terminal.

    Raises:
        PasswordRejected: It is too short, too long, or commonly used.
        SysnddError: It cannot be read, or its repetition differs.
    """
    if options.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif options.password_file is not None:
        try:
            password = options.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SysnddError(f"{options.password_file}: {error.strerror}") from error
    else:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Repeat password: ") != password:
            raise SysnddError("The passwords do not match.")
    own = (options.user_name, getattr(options, "email", ""))
    check_password(password, site_name=context[SiteSettings].name, own=own)
    return password
