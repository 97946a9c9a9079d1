"""All routes of the API, with their access levels and the models of bodies and responses."""

from sysndd_api.accounts import handlers as accounts
from sysndd_api.accounts.models import (
    Confirmed,
    EmailRequest,
    MailAccepted,
    RegisterRequest,
    TokenRequest,
    UserView,
)
from sysndd_api.audit import handlers as audit
from sysndd_api.audit.models import AuditEvent, AuditQuery
from sysndd_api.backups import handlers as backups
from sysndd_api.backups.models import (
    BackupDetail,
    BackupList,
    BackupQuery,
    DeleteRequest,
    InspectionView,
    InspectRequest,
    RestoreDryRun,
    RestoreRequest,
    RetentionPreview,
    UndoRequest,
    UploadQuery,
)
from sysndd_api.curation import handlers as curation
from sysndd_api.curation.models import EntityQuery, EntityView, GeneQuery, GeneView
from sysndd_api.email_change import handlers as email_change
from sysndd_api.email_change.models import EmailChangeConfirmed, EmailChangeRequest
from sysndd_api.health import handlers as health
from sysndd_api.health.models import HealthReport, Live, Ready
from sysndd_api.jobs import handlers as jobs
from sysndd_api.jobs.models import JobAccepted, JobLines, JobQuery, JobView
from sysndd_api.mail import handlers as mail
from sysndd_api.mail.models import MailDetail, MailQuery, MailQueued, MailView
from sysndd_api.metrics import handlers as metrics
from sysndd_api.migrations import handlers as migrations
from sysndd_api.migrations.models import MigrationList
from sysndd_api.operators import handlers as operators
from sysndd_api.operators.models import (
    NewOperator,
    OperatorChange,
    OperatorQuery,
    OperatorView,
)
from sysndd_api.password_reset import handlers as password_reset
from sysndd_api.password_reset.models import PasswordChange, ResetRequest
from sysndd_api.security.access import Access
from sysndd_api.sessions import handlers as sessions
from sysndd_api.sessions.models import (
    LoginReply,
    LoginRequest,
    SessionList,
    SessionsEnded,
)
from sysndd_api.smtp_diagnostics import handlers as smtp_diagnostics
from sysndd_api.smtp_diagnostics.models import SmtpTest
from sysndd_api.users import handlers as users
from sysndd_api.users.models import AccountView, RoleRequest, UserQuery
from sysndd_api.web import docs_page, openapi
from sysndd_api.web.endpoint import Endpoint
from sysndd_api.web.middleware import UPLOAD_PATH
from sysndd_api.web.models import Page, PageQuery
from sysndd_api.web.site_features import Feature
from sysndd_core.backups.manifest import BackupManifest

ANYONE, SIGNED_IN = Access.ANYONE, Access.SIGNED_IN
VIEWER, MAINTAINER, ADMIN = Access.VIEWER, Access.MAINTAINER, Access.ADMINISTRATOR
ACCOUNTS, CURATION = Feature.ACCOUNTS, Feature.CURATION

# A name may contain slashes, so that `../` gets the same error as any other invalid name.
_BACKUP = "/api/admin/backups/{name:path}"

_USER = "/api/admin/users/{user_id}"
_OPERATOR = "/api/admin/operators/{operator_id}"

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/health/live", health.live, ANYONE, Live),
    Endpoint("GET", "/health/ready", health.ready, ANYONE, Ready),
    Endpoint("GET", "/api/health/live", health.live, ANYONE, Live),
    Endpoint("GET", "/api/health/ready", health.ready, ANYONE, Ready),
    Endpoint("GET", "/api/health", health.report, ANYONE, HealthReport),
    Endpoint("GET", "/metrics", metrics.scrape, ANYONE, None),
    Endpoint("GET", "/api/openapi.json", openapi.document, ANYONE, None),
    Endpoint("GET", "/api/docs", docs_page.page, ANYONE, None),
    Endpoint(
        "GET",
        "/api/genes",
        curation.list_genes,
        ANYONE,
        Page[GeneView],
        query=GeneQuery,
        needs=CURATION,
    ),
    Endpoint("GET", "/api/genes/{hgnc_id}", curation.get_gene, ANYONE, GeneView, needs=CURATION),
    Endpoint(
        "GET",
        "/api/entities",
        curation.list_entities,
        ANYONE,
        Page[EntityView],
        query=EntityQuery,
        needs=CURATION,
    ),
    Endpoint(
        "GET", "/api/entities/{entity_id}", curation.get_entity, ANYONE, EntityView, needs=CURATION
    ),
    Endpoint(
        "POST",
        "/api/auth/login",
        sessions.login,
        ANYONE,
        LoginReply,
        body=LoginRequest,
        in_maintenance=True,
    ),
    Endpoint(
        "POST", "/api/auth/logout", sessions.logout, SIGNED_IN, None, 204, in_maintenance=True
    ),
    Endpoint(
        "POST",
        "/api/auth/register",
        accounts.register,
        ANYONE,
        MailAccepted,
        202,
        body=RegisterRequest,
        needs=ACCOUNTS,
    ),
    Endpoint(
        "POST",
        "/api/auth/confirm",
        accounts.confirm,
        ANYONE,
        Confirmed,
        body=TokenRequest,
        needs=ACCOUNTS,
    ),
    Endpoint(
        "POST",
        "/api/auth/confirm/resend",
        accounts.resend,
        ANYONE,
        MailAccepted,
        202,
        body=EmailRequest,
        needs=ACCOUNTS,
    ),
    Endpoint(
        "POST",
        "/api/auth/password-reset",
        password_reset.request_reset,
        ANYONE,
        MailAccepted,
        202,
        body=EmailRequest,
    ),
    Endpoint(
        "POST",
        "/api/auth/password-reset/confirm",
        password_reset.reset,
        ANYONE,
        UserView,
        body=ResetRequest,
    ),
    Endpoint(
        "POST",
        "/api/auth/password",
        password_reset.change,
        SIGNED_IN,
        None,
        204,
        body=PasswordChange,
    ),
    Endpoint(
        "POST",
        "/api/auth/email",
        email_change.request_change,
        SIGNED_IN,
        MailAccepted,
        202,
        body=EmailChangeRequest,
        needs=ACCOUNTS,
    ),
    Endpoint(
        "POST",
        "/api/auth/email/confirm",
        email_change.confirm,
        ANYONE,
        EmailChangeConfirmed,
        body=TokenRequest,
        needs=ACCOUNTS,
    ),
    Endpoint("GET", "/api/auth/sessions", sessions.list_own, SIGNED_IN, SessionList),
    Endpoint(
        "DELETE",
        "/api/auth/sessions",
        sessions.end_all,
        SIGNED_IN,
        SessionsEnded,
        in_maintenance=True,
    ),
    Endpoint(
        "DELETE",
        "/api/auth/sessions/{session_id}",
        sessions.end_one,
        SIGNED_IN,
        None,
        204,
        in_maintenance=True,
    ),
    Endpoint("GET", "/api/auth/me", sessions.me, SIGNED_IN, UserView),
    Endpoint(
        "GET", "/api/admin/backups", backups.list_backups, VIEWER, BackupList, query=BackupQuery
    ),
    Endpoint(
        "POST",
        "/api/admin/backups",
        backups.create_backup,
        MAINTAINER,
        JobAccepted,
        202,
        in_maintenance=True,
    ),
    Endpoint(
        "POST",
        UPLOAD_PATH,
        backups.upload_backup,
        MAINTAINER,
        JobAccepted,
        202,
        query=UploadQuery,
        in_maintenance=True,
    ),
    Endpoint("GET", _BACKUP + "/download", backups.download_backup, ADMIN, None),
    Endpoint(
        "POST",
        _BACKUP + "/restore",
        backups.restore_backup,
        ADMIN,
        JobAccepted,
        202,
        body=RestoreRequest,
        in_maintenance=True,
    ),
    Endpoint("GET", _BACKUP + "/dry-run", backups.dry_run_restore, MAINTAINER, RestoreDryRun),
    Endpoint(
        "POST",
        "/api/admin/restores/undo",
        backups.undo_restore,
        ADMIN,
        JobAccepted,
        202,
        body=UndoRequest,
        in_maintenance=True,
    ),
    Endpoint(
        "POST",
        _BACKUP + "/dry-run",
        backups.dry_run,
        MAINTAINER,
        JobAccepted,
        202,
        in_maintenance=True,
    ),
    Endpoint(
        "POST",
        _BACKUP + "/inspect",
        backups.inspect_table,
        ADMIN,
        JobAccepted,
        202,
        body=InspectRequest,
        in_maintenance=True,
    ),
    Endpoint(
        "GET",
        "/api/admin/inspections",
        backups.list_inspections,
        VIEWER,
        Page[InspectionView],
        query=PageQuery,
    ),
    Endpoint(
        "DELETE",
        "/api/admin/inspections/{schema}",
        backups.drop_inspection,
        ADMIN,
        JobAccepted,
        202,
        in_maintenance=True,
    ),
    Endpoint("POST", _BACKUP + "/verify", backups.verify_backup, MAINTAINER, JobAccepted, 202),
    Endpoint("POST", _BACKUP + "/pin", backups.pin_backup, ADMIN, BackupManifest),
    Endpoint("POST", _BACKUP + "/unpin", backups.unpin_backup, ADMIN, BackupManifest),
    Endpoint("POST", _BACKUP + "/accept-size", backups.accept_size, ADMIN, BackupManifest),
    Endpoint("GET", _BACKUP, backups.get_backup, VIEWER, BackupDetail),
    Endpoint("DELETE", _BACKUP, backups.delete_backup, ADMIN, None, 204, body=DeleteRequest),
    Endpoint("GET", "/api/admin/retention", backups.preview_retention, VIEWER, RetentionPreview),
    Endpoint("GET", "/api/admin/jobs", jobs.list_jobs, VIEWER, Page[JobView], query=JobQuery),
    Endpoint("GET", "/api/admin/jobs/{job_id}", jobs.get_job, VIEWER, JobView),
    Endpoint(
        "POST",
        "/api/admin/jobs/{job_id}/cancel",
        jobs.cancel_job,
        MAINTAINER,
        JobView,
        202,
        in_maintenance=True,
    ),
    Endpoint(
        "GET", "/api/admin/mail", mail.list_mails, MAINTAINER, Page[MailView], query=MailQuery
    ),
    Endpoint("GET", "/api/admin/mail/{mail_id}", mail.get_mail, MAINTAINER, MailDetail),
    Endpoint(
        "POST",
        "/api/admin/mail/{mail_id}/resend",
        mail.resend_mail,
        ADMIN,
        MailDetail,
        202,
        in_maintenance=True,
    ),
    Endpoint(
        "POST",
        "/api/admin/mail/{mail_id}/cancel",
        mail.cancel_mail,
        ADMIN,
        MailDetail,
        in_maintenance=True,
    ),
    Endpoint("GET", "/api/admin/smtp/test", smtp_diagnostics.run_test, MAINTAINER, SmtpTest),
    Endpoint(
        "POST",
        "/api/admin/smtp/test-message",
        smtp_diagnostics.send_test_message,
        MAINTAINER,
        MailQueued,
        202,
        in_maintenance=True,
    ),
    Endpoint("GET", "/api/admin/jobs/{job_id}/log", jobs.job_lines, VIEWER, JobLines),
    Endpoint(
        "POST",
        "/api/admin/jobs/{job_id}/retry",
        jobs.retry_job,
        MAINTAINER,
        JobAccepted,
        202,
        in_maintenance=True,
    ),
    Endpoint(
        "GET", "/api/admin/audit", audit.list_events, MAINTAINER, Page[AuditEvent], query=AuditQuery
    ),
    Endpoint("GET", "/api/admin/migrations", migrations.list_migrations, VIEWER, MigrationList),
    Endpoint(
        "GET",
        "/api/admin/users",
        users.list_users,
        MAINTAINER,
        Page[AccountView],
        query=UserQuery,
        needs=ACCOUNTS,
    ),
    Endpoint("GET", _USER, users.get_user, MAINTAINER, AccountView, needs=ACCOUNTS),
    Endpoint("POST", _USER + "/approve", users.approve, ADMIN, AccountView, needs=ACCOUNTS),
    Endpoint("POST", _USER + "/deactivate", users.deactivate, ADMIN, AccountView, needs=ACCOUNTS),
    Endpoint("POST", _USER + "/reactivate", users.reactivate, ADMIN, AccountView, needs=ACCOUNTS),
    Endpoint(
        "POST",
        _USER + "/role",
        users.change_role,
        ADMIN,
        AccountView,
        body=RoleRequest,
        needs=ACCOUNTS,
    ),
    Endpoint(
        "POST",
        _USER + "/resend-confirmation",
        users.resend_confirmation,
        ADMIN,
        MailAccepted,
        202,
        needs=ACCOUNTS,
    ),
    Endpoint(
        "GET", _USER + "/sessions", users.list_sessions, MAINTAINER, SessionList, needs=ACCOUNTS
    ),
    Endpoint(
        "DELETE",
        _USER + "/sessions",
        users.end_sessions,
        ADMIN,
        SessionsEnded,
        in_maintenance=True,
        needs=ACCOUNTS,
    ),
    Endpoint(
        "GET",
        "/api/admin/operators",
        operators.list_operators,
        MAINTAINER,
        Page[OperatorView],
        query=OperatorQuery,
    ),
    Endpoint(
        "POST",
        "/api/admin/operators",
        operators.invite_operator,
        ADMIN,
        OperatorView,
        201,
        body=NewOperator,
        in_maintenance=True,
    ),
    Endpoint("GET", _OPERATOR, operators.get_operator, MAINTAINER, OperatorView),
    Endpoint(
        "POST",
        _OPERATOR,
        operators.change_operator,
        ADMIN,
        OperatorView,
        body=OperatorChange,
        in_maintenance=True,
    ),
    Endpoint(
        "POST",
        _OPERATOR + "/invitation",
        operators.resend_invitation,
        ADMIN,
        MailAccepted,
        202,
        in_maintenance=True,
    ),
    Endpoint(
        "GET", _OPERATOR + "/sessions", operators.list_operator_sessions, MAINTAINER, SessionList
    ),
    Endpoint(
        "DELETE",
        _OPERATOR + "/sessions",
        operators.end_operator_sessions,
        ADMIN,
        SessionsEnded,
        in_maintenance=True,
    ),
)
