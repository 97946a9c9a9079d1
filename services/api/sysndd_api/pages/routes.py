"""The addresses of all pages, in one list; the application adds them to the API's routes."""

from sysndd_api.backups.handlers import download_backup
from sysndd_api.pages.account import account, own_account
from sysndd_api.pages.account.account import MAIL_SENT
from sysndd_api.pages.admin import (
    audit,
    backups,
    jobs,
    mail,
    migrations,
    operators,
    overview,
    users,
)
from sysndd_api.pages.page_route import PageRoute, not_found
from sysndd_api.pages.static_files import static_file
from sysndd_api.security.access import Access
from sysndd_api.web.site_features import Feature

ANYONE, SIGNED_IN = Access.ANYONE, Access.SIGNED_IN
VIEWER, MAINTAINER, ADMIN = Access.VIEWER, Access.MAINTAINER, Access.ADMINISTRATOR
ACCOUNTS = Feature.ACCOUNTS

_BACKUP = "/admin/backups/{name}"
_JOB = "/admin/jobs/{job_id}"
_MAIL = "/admin/mail/{mail_id}"
_USER = "/admin/users/{user_id}"
_OPERATOR = "/admin/operators/{operator_id}"

PAGES: tuple[PageRoute, ...] = (
    PageRoute("GET", "/admin/static/{name:path}", static_file, ANYONE),
    PageRoute("GET", "/account/sign-in", account.sign_in_page, ANYONE),
    PageRoute(
        "POST",
        "/account/sign-in",
        account.sign_in,
        ANYONE,
        account.sign_in_page,
        in_maintenance=True,
    ),
    PageRoute("POST", "/account/sign-out", account.sign_out, SIGNED_IN, in_maintenance=True),
    PageRoute("GET", "/account/register", account.register_page, ANYONE, needs=ACCOUNTS),
    PageRoute(
        "POST", "/account/register", account.register, ANYONE, account.register_page, needs=ACCOUNTS
    ),
    PageRoute("GET", MAIL_SENT, account.mail_sent_page, ANYONE, needs=ACCOUNTS),
    PageRoute("GET", "/account/confirm", account.confirm_page, ANYONE, needs=ACCOUNTS),
    PageRoute(
        "POST", "/account/confirm", account.confirm, ANYONE, account.confirm_page, needs=ACCOUNTS
    ),
    PageRoute(
        "POST",
        "/account/confirm/resend",
        account.resend,
        ANYONE,
        account.confirm_page,
        needs=ACCOUNTS,
    ),
    PageRoute("GET", "/account/reset", account.reset_page, ANYONE),
    PageRoute("POST", "/account/reset", account.request_reset, ANYONE, account.reset_page),
    PageRoute("POST", "/account/reset/confirm", account.reset, ANYONE, account.reset_page),
    PageRoute("GET", "/account/email", account.email_change_page, ANYONE, needs=ACCOUNTS),
    PageRoute(
        "POST",
        "/account/email",
        account.confirm_email_change,
        ANYONE,
        account.email_change_page,
        needs=ACCOUNTS,
    ),
    PageRoute("GET", "/account", own_account.account_page, SIGNED_IN),
    PageRoute(
        "POST",
        "/account/password",
        own_account.change_password,
        SIGNED_IN,
        own_account.account_page,
    ),
    PageRoute(
        "POST",
        "/account/change-email",
        own_account.request_email_change,
        SIGNED_IN,
        own_account.account_page,
        needs=ACCOUNTS,
    ),
    PageRoute("GET", "/admin/profile", own_account.profile_page, VIEWER),
    PageRoute(
        "POST",
        "/admin/profile/password",
        own_account.change_password,
        VIEWER,
        own_account.profile_page,
        in_maintenance=True,
    ),
    PageRoute("GET", "/account/sessions/end", own_account.confirm_end_sessions, SIGNED_IN),
    PageRoute(
        "POST", "/account/sessions/end", own_account.end_sessions, SIGNED_IN, in_maintenance=True
    ),
    PageRoute(
        "GET", "/account/sessions/{session_id}/end", own_account.confirm_end_session, SIGNED_IN
    ),
    PageRoute(
        "POST",
        "/account/sessions/{session_id}/end",
        own_account.end_session,
        SIGNED_IN,
        own_account.account_page,
        in_maintenance=True,
    ),
    PageRoute("GET", "/admin", overview.page, VIEWER),
    PageRoute("GET", "/admin/backups", backups.list_page, VIEWER),
    PageRoute(
        "POST", "/admin/backups", backups.create, MAINTAINER, backups.list_page, in_maintenance=True
    ),
    PageRoute("GET", "/admin/backups/upload", backups.upload_page, MAINTAINER),
    PageRoute("GET", _BACKUP, backups.detail_page, VIEWER),
    PageRoute("GET", _BACKUP + "/download", download_backup, ADMIN),
    PageRoute("POST", _BACKUP + "/verify", backups.verify, MAINTAINER, backups.detail_page),
    PageRoute("POST", _BACKUP + "/pin", backups.pin, ADMIN, backups.detail_page),
    PageRoute("GET", _BACKUP + "/unpin", backups.confirm_unpin, ADMIN),
    PageRoute("POST", _BACKUP + "/unpin", backups.unpin, ADMIN, backups.detail_page),
    PageRoute("GET", _BACKUP + "/accept-size", backups.confirm_accept_size, ADMIN),
    PageRoute("POST", _BACKUP + "/accept-size", backups.accept_size, ADMIN, backups.detail_page),
    PageRoute("GET", _BACKUP + "/delete", backups.delete_page, ADMIN),
    PageRoute("POST", _BACKUP + "/delete", backups.delete, ADMIN, backups.delete_page),
    PageRoute("GET", _BACKUP + "/restore", backups.restore_page, MAINTAINER),
    PageRoute(
        "POST",
        _BACKUP + "/restore",
        backups.restore,
        ADMIN,
        backups.restore_page,
        in_maintenance=True,
    ),
    PageRoute(
        "POST",
        _BACKUP + "/dry-run",
        backups.dry_run,
        MAINTAINER,
        backups.restore_page,
        in_maintenance=True,
    ),
    PageRoute("GET", _JOB + "/dry-run", backups.dry_run_part, MAINTAINER),
    PageRoute(
        "POST",
        _BACKUP + "/inspect",
        backups.inspect,
        ADMIN,
        backups.detail_page,
        in_maintenance=True,
    ),
    PageRoute("GET", "/admin/inspections/{schema}/drop", backups.confirm_drop_inspection, ADMIN),
    PageRoute(
        "POST",
        "/admin/inspections/{schema}/drop",
        backups.drop_inspection,
        ADMIN,
        in_maintenance=True,
    ),
    PageRoute("GET", "/admin/restores/undo", backups.undo_page, ADMIN),
    PageRoute(
        "POST",
        "/admin/restores/undo",
        backups.undo,
        ADMIN,
        backups.undo_page,
        in_maintenance=True,
    ),
    PageRoute("GET", "/admin/jobs", jobs.list_page, VIEWER),
    PageRoute("GET", _JOB, jobs.detail_page, VIEWER),
    PageRoute("GET", _JOB + "/live", jobs.live_part, VIEWER),
    PageRoute("GET", _JOB + "/progress", jobs.progress_part, VIEWER),
    PageRoute("GET", _JOB + "/cancel", jobs.confirm_cancel, MAINTAINER),
    PageRoute(
        "POST", _JOB + "/cancel", jobs.cancel, MAINTAINER, jobs.detail_page, in_maintenance=True
    ),
    PageRoute(
        "POST", _JOB + "/retry", jobs.retry, MAINTAINER, jobs.detail_page, in_maintenance=True
    ),
    PageRoute("GET", "/admin/migrations", migrations.page, VIEWER),
    PageRoute("GET", "/admin/mail", mail.list_page, MAINTAINER),
    PageRoute(
        "POST",
        "/admin/mail/smtp-test",
        mail.smtp_test,
        MAINTAINER,
        mail.list_page,
        in_maintenance=True,
    ),
    PageRoute(
        "POST",
        "/admin/mail/test-message",
        mail.test_message,
        MAINTAINER,
        mail.list_page,
        in_maintenance=True,
    ),
    PageRoute("GET", _MAIL, mail.detail_page, MAINTAINER),
    PageRoute("GET", _MAIL + "/resend", mail.confirm_resend, ADMIN),
    PageRoute("POST", _MAIL + "/resend", mail.resend, ADMIN, mail.detail_page, in_maintenance=True),
    PageRoute("GET", _MAIL + "/cancel", mail.confirm_cancel, ADMIN),
    PageRoute("POST", _MAIL + "/cancel", mail.cancel, ADMIN, mail.detail_page, in_maintenance=True),
    PageRoute("GET", "/admin/users", users.list_page, MAINTAINER, needs=ACCOUNTS),
    PageRoute("GET", _USER, users.detail_page, MAINTAINER, needs=ACCOUNTS),
    PageRoute("POST", _USER + "/approve", users.approve, ADMIN, users.detail_page, needs=ACCOUNTS),
    PageRoute("GET", _USER + "/deactivate", users.confirm_deactivate, ADMIN, needs=ACCOUNTS),
    PageRoute(
        "POST", _USER + "/deactivate", users.deactivate, ADMIN, users.detail_page, needs=ACCOUNTS
    ),
    PageRoute(
        "POST", _USER + "/reactivate", users.reactivate, ADMIN, users.detail_page, needs=ACCOUNTS
    ),
    PageRoute("GET", _USER + "/role", users.confirm_change_role, ADMIN, needs=ACCOUNTS),
    PageRoute("POST", _USER + "/role", users.change_role, ADMIN, users.detail_page, needs=ACCOUNTS),
    PageRoute(
        "POST",
        _USER + "/resend",
        users.resend_confirmation,
        ADMIN,
        users.detail_page,
        needs=ACCOUNTS,
    ),
    PageRoute("GET", _USER + "/end-sessions", users.confirm_end_sessions, ADMIN, needs=ACCOUNTS),
    PageRoute(
        "POST",
        _USER + "/end-sessions",
        users.end_sessions,
        ADMIN,
        users.detail_page,
        in_maintenance=True,
        needs=ACCOUNTS,
    ),
    PageRoute("GET", "/admin/operators", operators.list_page, MAINTAINER),
    PageRoute(
        "POST",
        "/admin/operators",
        operators.invite,
        ADMIN,
        operators.list_page,
        in_maintenance=True,
    ),
    PageRoute("GET", _OPERATOR, operators.detail_page, MAINTAINER),
    PageRoute(
        "POST",
        _OPERATOR + "/email",
        operators.change_email,
        ADMIN,
        operators.detail_page,
        in_maintenance=True,
    ),
    PageRoute("GET", _OPERATOR + "/role", operators.confirm_change_role, ADMIN),
    PageRoute(
        "POST",
        _OPERATOR + "/role",
        operators.change_role,
        ADMIN,
        operators.detail_page,
        in_maintenance=True,
    ),
    PageRoute("GET", _OPERATOR + "/disable", operators.confirm_disable, ADMIN),
    PageRoute(
        "POST",
        _OPERATOR + "/disable",
        operators.disable,
        ADMIN,
        operators.detail_page,
        in_maintenance=True,
    ),
    PageRoute(
        "POST",
        _OPERATOR + "/enable",
        operators.enable,
        ADMIN,
        operators.detail_page,
        in_maintenance=True,
    ),
    PageRoute(
        "POST",
        _OPERATOR + "/invitation",
        operators.resend_invitation,
        ADMIN,
        operators.detail_page,
        in_maintenance=True,
    ),
    PageRoute("GET", _OPERATOR + "/end-sessions", operators.confirm_end_sessions, ADMIN),
    PageRoute(
        "POST",
        _OPERATOR + "/end-sessions",
        operators.end_sessions,
        ADMIN,
        operators.detail_page,
        in_maintenance=True,
    ),
    PageRoute("GET", "/admin/audit", audit.page, MAINTAINER),
    PageRoute("GET", "/admin/audit.csv", audit.export, MAINTAINER),
    PageRoute("GET", "/admin/{rest:path}", not_found, VIEWER),
    PageRoute("GET", "/account/{rest:path}", not_found, ANYONE),
)
