"""The errors of the platform, each with its stable code and HTTP status.

SysnddError                         internal_error                500
├── SettingsError                   invalid_settings              500  (start-up only)
├── ForeignPlatformSchema           foreign_platform_schema       500  (start-up only)
├── SchemaNotAttached               schema_not_attached           500  (start-up only)
├── BadRequest                      bad_request                   400
│   └── MalformedJson               malformed_json                400
├── NotSignedIn                     not_signed_in                 401
│   └── InvalidCredentials          invalid_credentials           401
├── NotAllowed                      not_allowed                   403
│   ├── CrossSiteRequest            cross_site_request            403
│   └── WrongCurrentPassword        wrong_current_password        403
├── NotFound                        not_found                     404
│   ├── BackupNotFound              backup_not_found              404
│   ├── TableNotInBackup            table_not_in_backup           404
│   ├── InspectionNotFound          inspection_not_found          404
│   ├── JobNotFound                 job_not_found                 404
│   ├── SessionNotFound             session_not_found             404
│   ├── MailNotFound                mail_not_found                404
│   ├── UserNotFound                user_not_found                404
│   ├── OperatorNotFound            operator_not_found            404
│   ├── SiteAccountsOff             site_accounts_off             404
│   ├── SiteCurationOff             site_curation_off             404
│   ├── GeneNotFound                gene_not_found                404
│   └── EntityNotFound              entity_not_found              404
├── MethodNotAllowed                method_not_allowed            405
├── Conflict                        conflict                      409
│   ├── OperationInProgress         operation_in_progress         409
│   ├── LastVerifiedBackup          last_verified_backup          409
│   ├── BackupLocked                backup_locked                 409  (by S3 Object Lock)
│   ├── SchemaLocked                schema_locked                 409  (migration, dump, restore)
│   ├── JobNotCancellable           job_not_cancellable           409
│   ├── MailNotCancellable          mail_not_cancellable          409
│   ├── MailNotResendable           mail_not_resendable           409
│   ├── SmtpTestRunning             smtp_test_running             409
│   ├── JobNotRetryable             job_not_retryable             409
│   ├── NothingToUndo               nothing_to_undo               409
│   ├── ForeignBackup               foreign_backup                409
│   ├── LastAdministrator           last_administrator            409
│   └── AccountStateConflict        account_state_conflict        409
├── LinkInvalid                     link_invalid                  410
├── BodyTooLarge                    body_too_large                413
├── UnsupportedMediaType            unsupported_media_type        415
├── RangeNotSatisfiable             range_not_satisfiable         416
├── Invalid                         invalid_request               422
│   ├── InvalidBackupName           invalid_backup_name           422
│   ├── PasswordRejected            password_rejected             422
│   └── ConfirmationRequired        confirmation_required         422
├── SmtpTestLimit                   smtp_test_limit               429  (six per minute)
├── TooManyAttempts                 too_many_attempts             429
├── Unavailable                     unavailable                   503
│   ├── DatabaseUnavailable         database_unavailable          503
│   ├── DatabaseBusy                database_busy                 503  (the pool is saturated)
│   ├── Maintenance                 maintenance                   503  (during a restore)
│   ├── SchemaChanging              schema_changing               503  (by restore or migration)
│   ├── SchemaDamaged               schema_damaged                503  (tables are missing)
│   ├── OffsiteStorageUnavailable   offsite_storage_unavailable   503
(S3-compatible storage)
│   ├── SchemaLockRefused           schema_lock_refused           503
│   ├── TokenKeyMissing             token_key_missing             503  (TOKEN_KEY is not set)
│   └── SignInBusy                  sign_in_busy                  503
├── InsufficientStorage             insufficient_storage          507
└── JobFailed                       job_failed                    500  (only inside workers)
    ├── JobCancelled                cancelled
    ├── LeaseLost                   lease_lost
    ├── SchemaLockLost              schema_lock_lost
    ├── DumpFailed                  dump_failed
    ├── ExcludedRowsReferenced      excluded_rows_referenced
    ├── MissingPrivileges           missing_privileges
    ├── VerificationFailed          verification_failed
    ├── DumpClientMismatch          dump_client_mismatch
    ├── BackupDamaged               backup_damaged
    ├── NotADump                    not_a_dump
    ├── UncompressedTooLarge        uncompressed_too_large
    ├── EncryptionKeyMissing        encryption_key_missing
    ├── EncryptionKeyWrong          encryption_key_wrong
    ├── SafetyBackupFailed          safety_backup_failed
    ├── NoAdministratorInBackup     no_administrator_in_backup
    ├── ConstraintViolations        constraint_violations
    ├── RestoreHookFailed           restore_hook_failed
    └── RestoreFailed               restore_failed

An error carries its code and status. One function in the API renders all errors as
``application/problem+json`` (RFC 9457). ``docs/errors.md`` lists all codes; a contract test keeps
the two equal.
"""

from collections.abc import Iterator
from typing import Any, ClassVar


class SysnddError(Exception):
    """Base of all errors of the platform.

    Args:
        detail: One or more sentences about this occurrence; never a secret. By default
            ``default_detail``, or the title.
        extra: Further members of the problem document, such as the ID of the running job.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    default_detail: ClassVar[str | None] = None
    """Sentences for an occurrence that has no detail of its own: what happened, why, what to do."""
    retry_after: int | None = None
    """Seconds for the ``Retry-After`` header (RFC 9110, section 10.2.3), where waiting helps."""

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        self.detail = detail or self.default_detail or self.title
        self.extra = extra
        super().__init__(self.detail)


class SettingsError(SysnddError):
    """One or more settings are missing or invalid; ``problems`` has one sentence for each."""

    code = "invalid_settings"
    title = "Invalid settings"

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class ForeignPlatformSchema(SysnddError):
    """The platform schema belongs to another application schema."""

    code = "foreign_platform_schema"
    title = "Platform schema of another site"
    default_detail = "The platform schema belongs to another application schema than DB_NAME."


class SchemaNotAttached(SysnddError):
    """The application schema has tables that no migration of this platform created."""

    code = "schema_not_attached"
    title = "Schema not attached"
    default_detail = (
        "The application schema has tables of another program. Set SCHEMA_MODE; see"
        " sysndd-admin attach."
    )


class BadRequest(SysnddError):
    code = "bad_request"
    status = 400
    title = "Bad request"
    default_detail = "The server cannot read the request. Check its syntax."


class MalformedJson(BadRequest):
    code = "malformed_json"
    title = "Malformed JSON"
    default_detail = "The request body is not valid JSON."


class NotSignedIn(SysnddError):
    code = "not_signed_in"
    status = 401
    title = "Sign-in required"
    default_detail = "This request requires a session. Sign in and try again."


class InvalidCredentials(NotSignedIn):
    code = "invalid_credentials"
    title = "Incorrect user name or password"
    default_detail = "The user name or the password is incorrect. Check both and try again."


class NotAllowed(SysnddError):
    code = "not_allowed"
    status = 403
    title = "Access denied"
    default_detail = "Your role does not allow this action. Ask an administrator for access."


class CrossSiteRequest(NotAllowed):
    """Sent with the session cookie but not by a page of this site, or of unknown origin."""

    code = "cross_site_request"
    title = "Cross-site request rejected"
    default_detail = (
        "The request carries the session cookie but was not sent by a page of this site. API"
        " clients must send the token in the Authorization header."
    )


class WrongCurrentPassword(NotAllowed):
    code = "wrong_current_password"
    title = "Incorrect current password"
    default_detail = (
        "The current password is incorrect, so nothing was changed. Check it and try again."
    )


class NotFound(SysnddError):
    code = "not_found"
    status = 404
    title = "Not found"
    default_detail = "Nothing exists at this address."


class BackupNotFound(NotFound):
    code = "backup_not_found"
    title = "Backup not found"
    default_detail = "No backup has this name."


class TableNotInBackup(NotFound):
    """The manifest of the backup does not list this table."""

    code = "table_not_in_backup"
    title = "Table not found in backup"
    default_detail = "The manifest of the backup lists no table with this name."


class InspectionNotFound(NotFound):
    """No inspection created a schema with this name."""

    code = "inspection_not_found"
    title = "Inspection not found"
    default_detail = "No inspection has this name."


class JobNotFound(NotFound):
    code = "job_not_found"
    title = "Job not found"
    default_detail = "No job has this ID."


class SessionNotFound(NotFound):
    code = "session_not_found"
    title = "Session not found"
    default_detail = "No active session has this ID."


class MailNotFound(NotFound):
    code = "mail_not_found"
    title = "Email not found"
    default_detail = "No email in the outbox has this ID."


class UserNotFound(NotFound):
    code = "user_not_found"
    title = "User not found"
    default_detail = "No account has this ID."


class OperatorNotFound(NotFound):
    code = "operator_not_found"
    title = "Operator not found"
    default_detail = "No operator has this ID."


class SiteAccountsOff(NotFound):
    """The application schema has no table of users that SysNDD's migrations created."""

    code = "site_accounts_off"
    title = "This site has no user accounts"
    default_detail = (
        "This site does not use the platform's user accounts, so nobody can register here."
        " Operators sign in with their own accounts."
    )


class SiteCurationOff(NotFound):
    """The application schema has no tables of genes and entities."""

    code = "site_curation_off"
    title = "This site has no genes or entities"
    default_detail = "This site's database has no tables of genes and entities."


class GeneNotFound(NotFound):
    code = "gene_not_found"
    title = "Gene not found"
    default_detail = "No gene has this ID."


class EntityNotFound(NotFound):
    code = "entity_not_found"
    title = "Entity not found"
    default_detail = "No entity has this ID."


class MethodNotAllowed(SysnddError):
    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"
    default_detail = (
        "This address does not support the request method. The Allow header lists the supported"
        " methods."
    )


class Conflict(SysnddError):
    code = "conflict"
    status = 409
    title = "Conflict with the current state"
    default_detail = "The request conflicts with the current state, so nothing was changed."


class OperationInProgress(Conflict):
    """A job that must not overlap with this one is queued or running; carries its ID."""

    code = "operation_in_progress"
    title = "Another operation is in progress"
    default_detail = "Another backup, restore or migration is in progress. Try again when it ends."

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"Job {job_id} is queued or running. Wait until it ends, then try again.",
            job_id=job_id,
        )


class LastVerifiedBackup(Conflict):
    """No other backup is verified."""

    code = "last_verified_backup"
    title = "Last verified backup cannot be deleted"
    default_detail = (
        "This is the only verified backup, so it was not deleted. Verify another backup first."
    )


class BackupLocked(Conflict):
    """S3 Object Lock protects the off-site copy; nothing was deleted."""

    code = "backup_locked"
    title = "Off-site copy protected by S3 Object Lock"
    default_detail = "S3 Object Lock protects the off-site copy, so nothing was deleted."


class SchemaLocked(Conflict):
    """Another connection holds the schema lock; the detail names it."""

    code = "schema_locked"
    title = "Schema lock held by another process"
    default_detail = (
        "A migration, backup or restore holds the schema lock. Wait until it ends, then try again."
    )


class JobNotCancellable(Conflict):
    code = "job_not_cancellable"
    title = "Job already ended"
    default_detail = "The job has already ended, so it cannot be cancelled."


class MailNotCancellable(Conflict):
    """Only an email that is queued or on hold can be cancelled; carries its ``state``."""

    code = "mail_not_cancellable"
    title = "Email cannot be cancelled"
    default_detail = "Only an email that is queued or on hold can be cancelled."


class MailNotResendable(Conflict):
    """An email that is being sent or was sent cannot be resent; carries its ``state``."""

    code = "mail_not_resendable"
    title = "Email cannot be resent"
    default_detail = "An email that is being sent or was already sent cannot be resent."


class SmtpTestRunning(Conflict):
    """A test is running, in this worker process or in another one."""

    code = "smtp_test_running"
    title = "SMTP test already running"
    default_detail = "Another SMTP test is running. Wait until it ends, then try again."


class JobNotRetryable(Conflict):
    code = "job_not_retryable"
    title = "Job cannot be retried"
    default_detail = "This job cannot be retried. Submit a new one."


class NothingToUndo(Conflict):
    code = "nothing_to_undo"
    title = "No restore to undo"
    default_detail = (
        "There is no restore that can be undone. BACKUP_UNDO_HOURS limits how long an undo is"
        " possible."
    )


class ForeignBackup(Conflict):
    """The backup was made by another site, and the request does not accept that."""

    code = "foreign_backup"
    title = "Backup of another site"
    default_detail = (
        "Another site created this backup. To restore it anyway, accept foreign_backup."
    )


class LastAdministrator(Conflict):
    code = "last_administrator"
    title = "Last active administrator"
    default_detail = (
        "The last active administrator cannot be demoted or deactivated. Make another user an"
        " administrator first."
    )


class AccountStateConflict(Conflict):
    code = "account_state_conflict"
    title = "Account state does not allow this action"
    default_detail = "The state of the account does not allow this action, so nothing was changed."


class LinkInvalid(SysnddError):
    """Used, expired, replaced, for another purpose or unknown; the response never says which."""

    code = "link_invalid"
    status = 410
    title = "Link no longer valid"
    default_detail = "The link was already used, has expired or was replaced. Request a new one."


class BodyTooLarge(SysnddError):
    code = "body_too_large"
    status = 413
    title = "Request body too large"
    default_detail = "The request body is larger than this address accepts."


class UnsupportedMediaType(SysnddError):
    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"
    default_detail = "The request body must be sent as application/json."


class RangeNotSatisfiable(SysnddError):
    code = "range_not_satisfiable"
    status = 416
    title = "Range not satisfiable"
    default_detail = "The requested byte range is outside the file."


class Invalid(SysnddError):
    """A field is missing or invalid; ``errors`` names each such field."""

    code = "invalid_request"
    status = 422
    title = "Invalid input"
    default_detail = "A field is missing or invalid. Correct it and try again."


class InvalidBackupName(Invalid):
    code = "invalid_backup_name"
    title = "Invalid backup name"
    default_detail = "This is not a valid backup name."


class PasswordRejected(Invalid):
    code = "password_rejected"
    title = "Password not accepted"
    default_detail = "The password does not meet the requirements. Choose another one."


class ConfirmationRequired(Invalid):
    code = "confirmation_required"
    title = "Confirmation required"
    default_detail = "The confirmation is missing or incorrect, so nothing was changed."


class SmtpTestLimit(SysnddError):
    code = "smtp_test_limit"
    status = 429
    title = "Too many SMTP tests"
    default_detail = (
        "The limit of six SMTP tests per minute was reached. Wait a minute, then try again."
    )
    retry_after = 60


class TooManyAttempts(SysnddError):
    """A rate limit was reached; ``Retry-After`` is the time until its window ends."""

    code = "too_many_attempts"
    status = 429
    title = "Too many requests"
    default_detail = "The rate limit was reached. Wait, then try again."


class Unavailable(SysnddError):
    code = "unavailable"
    status = 503
    title = "Service unavailable"
    default_detail = "The service cannot process the request at the moment. Try again later."
    retry_after: int | None = 5


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    title = "Database unavailable"
    default_detail = "The database is not responding."


class DatabaseBusy(Unavailable):
    """No connection became free within ``DB_POOL_TIMEOUT``, or the server has none left."""

    code = "database_busy"
    title = "Database busy"
    default_detail = "All database connections are in use. Try again in a few seconds."
    retry_after = 1


class Maintenance(Unavailable):
    """Writes are rejected while a restore replaces the tables; reads continue to work."""

    code = "maintenance"
    title = "Maintenance mode"
    default_detail = (
        "A restore is in progress, so changes are not possible at the moment. Try again in a few"
        " seconds."
    )
    retry_after = 15


class SchemaChanging(Unavailable):
    """A table is missing or was redefined during the query by a restore or migration."""

    code = "schema_changing"
    title = "Database schema is changing"
    default_detail = (
        "A restore or a migration has just replaced a table. Try again in a few seconds."
    )


class SchemaDamaged(Unavailable):
    """An object of a schema is missing or unreadable, and no operation is replacing it.

    The detail and the members ``schema`` and ``object`` name it, for operators. Without arguments,
    the error names nothing, for everyone else.
    """

    code = "schema_damaged"
    title = "Database damaged"
    default_detail = (
        "A part of the site's database is missing or unreadable, so the request cannot be"
        " processed. An operator has to restore a backup."
    )
    retry_after = None


class OffsiteStorageUnavailable(Unavailable):
    """Off-site storage rejected the request or does not respond; the local file is unaffected."""

    code = "offsite_storage_unavailable"
    title = "Off-site storage is unavailable"
    default_detail = (
        "The off-site storage rejected the request or is not responding. Local backups are not"
        " affected."
    )
    retry_after = 60


class SchemaLockRefused(Unavailable):
    """The server rejects named locks (Galera in strict mode); nothing was changed."""

    code = "schema_lock_refused"
    title = "Schema lock not supported by the server"
    default_detail = "The database server rejects GET_LOCK, so nothing was changed."


class TokenKeyMissing(Unavailable):
    """Registration and password reset are unavailable, because no link can be created."""

    code = "token_key_missing"
    title = "TOKEN_KEY not set"
    default_detail = (
        "TOKEN_KEY is not set, so no email with a link can be sent. An operator must set it for the"
        " API and the mailer."
    )
    retry_after = None


class SignInBusy(Unavailable):
    code = "sign_in_busy"
    title = "Too many concurrent sign-ins"
    default_detail = "The server is processing too many sign-ins. Try again in a few seconds."
    retry_after = 2


class InsufficientStorage(SysnddError):
    code = "insufficient_storage"
    status = 507
    title = "Not enough free disk space"
    default_detail = (
        "There is not enough free disk space, so nothing was written. Free some space, then try"
        " again."
    )


class JobFailed(SysnddError):
    """Base of the errors that end a job; ``code`` and ``detail`` are stored in its row."""

    code = "job_failed"
    title = "Job failed"


class JobCancelled(JobFailed):
    code = "cancelled"
    title = "Job cancelled"
    default_detail = "The job was cancelled."


class LeaseLost(JobFailed):
    """Another worker owns the row; this attempt must not write anything else."""

    code = "lease_lost"
    title = "Lease lost"
    default_detail = "Another worker took over the job, so this attempt stopped."


class SchemaLockLost(JobFailed):
    """The schema lock was lost; another process may be changing the schema."""

    code = "schema_lock_lost"
    title = "Schema lock lost"
    default_detail = "The schema lock was lost, so the job stopped before its next step."


class DumpFailed(JobFailed):
    code = "dump_failed"
    title = "Dump failed"
    default_detail = "The dump is incomplete, so no backup was created."


class ExcludedRowsReferenced(JobFailed):
    """A foreign key of a table refers to a table whose rows ``BACKUP_EXCLUDE_ROWS`` leaves out."""

    code = "excluded_rows_referenced"
    title = "Excluded rows are referenced"
    default_detail = (
        "Foreign keys refer to rows that BACKUP_EXCLUDE_ROWS leaves out, so the backup could not be"
        " restored."
    )


class MissingPrivileges(JobFailed):
    """The account cannot read everything that a backup needs; names the missing privilege."""

    code = "missing_privileges"
    title = "Missing database privileges"
    default_detail = "The database account lacks a privilege that a complete backup requires."


class VerificationFailed(JobFailed):
    """A backup was restored into a scratch schema, and its dump differs."""

    code = "verification_failed"
    title = "Verification failed"
    default_detail = "The restored data differs from the source."


class DumpClientMismatch(JobFailed):
    code = "dump_client_mismatch"
    title = "Dump client and server from different vendors"
    default_detail = (
        "The dump client and the server are from different vendors. Install the client of the"
        " server's vendor."
    )


class BackupDamaged(JobFailed):
    code = "backup_damaged"
    title = "Backup file is damaged"
    default_detail = "The file does not match its manifest, so it was not used."


class NotADump(JobFailed):
    """An imported file was not written by a vendor's dump client."""

    code = "not_a_dump"
    title = "Not a database dump"
    default_detail = "The file is not a dump that mysqldump or mariadb-dump wrote."


class UncompressedTooLarge(JobFailed):
    """An imported file exceeds the limit once uncompressed; a small file can hold terabytes."""

    code = "uncompressed_too_large"
    title = "Uncompressed dump too large"
    default_detail = "The uncompressed dump exceeds BACKUP_UPLOAD_MAX_BYTES."


class EncryptionKeyMissing(JobFailed):
    """The backup is encrypted and this worker has no identity; nothing was started."""

    code = "encryption_key_missing"
    title = "Encryption key missing"
    default_detail = (
        "The backup is encrypted, and BACKUP_ENCRYPTION_IDENTITY is not set for the worker."
    )


class EncryptionKeyWrong(JobFailed):
    """The backup is encrypted for other recipients; nothing was started."""

    code = "encryption_key_wrong"
    title = "Wrong encryption key"
    default_detail = "The backup is encrypted for another key than BACKUP_ENCRYPTION_IDENTITY."


class SafetyBackupFailed(JobFailed):
    code = "safety_backup_failed"
    title = "Safety backup failed"
    default_detail = "The safety backup failed, so nothing was restored."


class NoAdministratorInBackup(JobFailed):
    """The restored site would have no administrator; requires consent to restore anyway."""

    code = "no_administrator_in_backup"
    title = "No active administrator in backup"
    default_detail = "The backup contains no active administrator, so nothing was restored."


class ConstraintViolations(JobFailed):
    """The data of a backup violates its own constraints; requires consent to restore anyway."""

    code = "constraint_violations"
    title = "Data violates constraints"
    default_detail = "The data of the backup violates its constraints, so nothing was restored."


class RestoreHookFailed(JobFailed):
    """The command or URL that holds the site's program failed; nothing was restored."""

    code = "restore_hook_failed"
    title = "Restore hook failed"
    default_detail = "RESTORE_PRE_HOOK failed, so nothing was restored."


class RestoreFailed(JobFailed):
    code = "restore_failed"
    title = "Restore failed"


def all_errors(root: type[SysnddError] = SysnddError) -> Iterator[type[SysnddError]]:
    """Yield ``root`` and every class below it, parents first."""
    yield root
    for child in root.__subclasses__():
        yield from all_errors(child)
