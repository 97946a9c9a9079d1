"""Every situation the platform can name, with the code and status it has outside.

SysnddError                         internal_error            500
├── SettingsError                   invalid_settings          500  (start-up only)
├── BadRequest                      bad_request               400
│   └── MalformedJson               malformed_json            400
├── NotSignedIn                     not_signed_in             401
│   └── WrongCredentials            wrong_credentials         401
├── NotAllowed                      not_allowed               403
│   ├── CrossSiteRequest            cross_site_request        403
│   └── WrongOldPassword            wrong_old_password        403
├── NotFound                        not_found                 404
│   ├── BackupNotFound              backup_not_found          404
│   ├── TableNotInBackup            table_not_in_backup       404
│   ├── InspectionNotFound          inspection_not_found      404
│   ├── JobNotFound                 job_not_found             404
│   ├── SessionNotFound             session_not_found         404
│   ├── MailNotFound                mail_not_found            404
│   ├── UserNotFound                user_not_found            404
│   ├── GeneNotFound                gene_not_found            404
│   └── EntityNotFound              entity_not_found          404
├── MethodNotAllowed                method_not_allowed        405
├── Conflict                        conflict                  409
│   ├── OperationInProgress         operation_in_progress     409
│   ├── LastProvenBackup            last_proven_backup        409
│   ├── BackupLocked                backup_locked             409  (object lock keeps its second copy)
│   ├── SchemaLocked                schema_locked             409  (a migration, dump or restore is at work)
│   ├── JobNotCancellable           job_not_cancellable       409
│   ├── MailNotCancellable          mail_not_cancellable      409
│   ├── MailNotReplayable           mail_not_replayable       409
│   ├── SmtpTestRunning             smtp_test_running         409
│   ├── JobNotRetryable             job_not_retryable         409
│   ├── NothingToUndo               nothing_to_undo           409
│   ├── LastAdministrator           last_administrator        409
│   └── WrongAccountState           wrong_account_state       409
├── LinkNotValid                    link_not_valid            410
├── BodyTooLarge                    body_too_large            413
├── UnsupportedMediaType            unsupported_media_type    415
├── RangeNotSatisfiable             range_not_satisfiable     416
├── Invalid                         invalid_request           422
│   ├── InvalidBackupName           invalid_backup_name       422
│   ├── PasswordRefused             password_refused          422
│   └── ConfirmationRequired        confirmation_required     422
├── SmtpTestLimit                   smtp_test_limit           429  (six a minute, all workers together)
├── TooManyAttempts                 too_many_attempts         429
├── Unavailable                     unavailable               503
│   ├── DatabaseUnavailable         database_unavailable      503
│   ├── DatabaseBusy                database_busy             503  (the pool is saturated)
│   ├── Maintenance                 maintenance               503  (a restore replaces the tables)
│   ├── SchemaChanging              schema_changing           503  (a restore or migration is at work)
│   ├── CopyFailed                  copy_failed               503  (S3-compatible storage)
│   ├── SchemaLockRefused           schema_lock_refused       503
│   ├── LinksNotPossible            links_not_possible        503  (TOKEN_KEY is not set)
│   └── SignInBusy                  sign_in_busy              503
├── InsufficientStorage             insufficient_storage      507
└── JobFailed                       job_failed                500  (only inside workers)
    ├── JobCancelled                cancelled
    ├── LeaseLost                   lease_lost
    ├── SchemaLockLost              schema_lock_lost
    ├── DumpFailed                  dump_failed
    ├── MissingRights               missing_rights
    ├── ProofFailed                 proof_failed
    ├── DumpClientMismatch          dump_client_mismatch
    ├── BackupDamaged               backup_damaged
    ├── NotADump                    not_a_dump
    ├── UnpacksTooLarge             unpacks_too_large
    ├── EncryptionKeyMissing        encryption_key_missing
    ├── EncryptionKeyWrong          encryption_key_wrong
    ├── SafetyBackupFailed          safety_backup_failed
    ├── NoAdministratorInBackup     no_administrator_in_backup
    └── RestoreFailed               restore_failed

An error carries its code and status; one function in the API renders all of them as
``application/problem+json`` (RFC 9457). ``docs/errors.md`` lists each code and a contract test
keeps the two equal.
"""

from collections.abc import Iterator
from typing import Any, ClassVar


class SysnddError(Exception):
    """Base of every named situation.

    Args:
        detail: one sentence for the reader of this occurrence; never a secret.
        extra: further members of the problem document, such as the id of the running job.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    retry_after: int | None = None
    """Seconds for the ``Retry-After`` header (RFC 9110, section 10.2.3), where waiting helps."""

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        self.detail = detail or self.title
        self.extra = extra
        super().__init__(self.detail)


class SettingsError(SysnddError):
    """One or more settings are missing or wrong; ``problems`` holds a sentence for each."""

    code = "invalid_settings"
    title = "The settings are not usable"

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class BadRequest(SysnddError):
    code = "bad_request"
    status = 400
    title = "The request can't be understood"


class MalformedJson(BadRequest):
    code = "malformed_json"
    title = "The body is not valid JSON"


class NotSignedIn(SysnddError):
    code = "not_signed_in"
    status = 401
    title = "Sign in first"


class WrongCredentials(NotSignedIn):
    code = "wrong_credentials"
    title = "The login or the password is wrong"


class NotAllowed(SysnddError):
    code = "not_allowed"
    status = 403
    title = "Your role does not allow this"


class CrossSiteRequest(NotAllowed):
    """Sent with the cookie, but not by a page of this site, or by a browser that does not say."""

    code = "cross_site_request"
    title = "Only a page of this site may do that; programs send the token as a header"


class WrongOldPassword(NotAllowed):
    code = "wrong_old_password"
    title = "The present password is not the one that was given"


class NotFound(SysnddError):
    code = "not_found"
    status = 404
    title = "There is nothing at this address"


class BackupNotFound(NotFound):
    code = "backup_not_found"
    title = "There is no backup of that name"


class TableNotInBackup(NotFound):
    """The backup's manifest does not list that table."""

    code = "table_not_in_backup"
    title = "The backup holds no table of that name"


class InspectionNotFound(NotFound):
    """No schema of that name was made for an inspection."""

    code = "inspection_not_found"
    title = "There is no inspection of that name"


class JobNotFound(NotFound):
    code = "job_not_found"
    title = "There is no job with that id"


class SessionNotFound(NotFound):
    code = "session_not_found"
    title = "There is no open session with that id"


class MailNotFound(NotFound):
    code = "mail_not_found"
    title = "There is no mail with that id"


class UserNotFound(NotFound):
    code = "user_not_found"
    title = "There is no account with that id"


class GeneNotFound(NotFound):
    code = "gene_not_found"
    title = "There is no gene with that id"


class EntityNotFound(NotFound):
    code = "entity_not_found"
    title = "There is no entity with that id"


class MethodNotAllowed(SysnddError):
    code = "method_not_allowed"
    status = 405
    title = "This address does not answer to that method"


class Conflict(SysnddError):
    code = "conflict"
    status = 409
    title = "The request conflicts with the present state"


class OperationInProgress(Conflict):
    """Work that must not overlap is queued or running already; carries that job's id."""

    code = "operation_in_progress"
    title = "Another backup, restore or migration is running"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Job {job_id} is queued or running; wait for it to end.", job_id=job_id)


class LastProvenBackup(Conflict):
    """No other backup is known to be good."""

    code = "last_proven_backup"
    title = "The last proven backup is never deleted"


class BackupLocked(Conflict):
    """Object lock keeps the second copy from being deleted; nothing was deleted."""

    code = "backup_locked"
    title = "The backup is locked in its second place"


class SchemaLocked(Conflict):
    """Someone else holds the lock around schema change, dump and restore; says who."""

    code = "schema_locked"
    title = "A migration, a backup or a restore holds the schema's lock"


class JobNotCancellable(Conflict):
    code = "job_not_cancellable"
    title = "The job has ended already"


class MailNotCancellable(Conflict):
    """Only a mail that waits or is held can be cancelled; carries its ``state``."""

    code = "mail_not_cancellable"
    title = "The mail is being sent or has ended already"


class MailNotReplayable(Conflict):
    """A mail in flight or sent is not sent again; carries its ``state``."""

    code = "mail_not_replayable"
    title = "The mail is being sent or was sent already"


class SmtpTestRunning(Conflict):
    """Also when another worker runs it."""

    code = "smtp_test_running"
    title = "A test of the mail server is running already"


class JobNotRetryable(Conflict):
    code = "job_not_retryable"
    title = "This job can't simply be retried; ask for its work anew"


class NothingToUndo(Conflict):
    code = "nothing_to_undo"
    title = "There is no restore that could be undone"


class LastAdministrator(Conflict):
    code = "last_administrator"
    title = "The last active Administrator can be neither demoted nor deactivated"


class WrongAccountState(Conflict):
    code = "wrong_account_state"
    title = "The account's state does not allow this"


class LinkNotValid(SysnddError):
    """Used, expired, replaced, made for something else, or never made: nobody is told which."""

    code = "link_not_valid"
    status = 410
    title = "This link does not work any more; ask for a new one"


class BodyTooLarge(SysnddError):
    code = "body_too_large"
    status = 413
    title = "The body is larger than this address accepts"


class UnsupportedMediaType(SysnddError):
    code = "unsupported_media_type"
    status = 415
    title = "Send the body as application/json"


class RangeNotSatisfiable(SysnddError):
    code = "range_not_satisfiable"
    status = 416
    title = "The file does not have the bytes that were asked for"


class Invalid(SysnddError):
    """The request was understood but a field is wrong; ``errors`` names each field."""

    code = "invalid_request"
    status = 422
    title = "A field is missing or wrong"


class InvalidBackupName(Invalid):
    code = "invalid_backup_name"
    title = "That can't be the name of a backup"


class PasswordRefused(Invalid):
    code = "password_refused"
    title = "Choose another password"


class ConfirmationRequired(Invalid):
    code = "confirmation_required"
    title = "The confirmation word is missing or wrong"


class SmtpTestLimit(SysnddError):
    code = "smtp_test_limit"
    status = 429
    title = "The mail server was tested too often in the last minute"
    retry_after = 60


class TooManyAttempts(SysnddError):
    """A limit was reached; ``Retry-After`` tells when its window ends."""

    code = "too_many_attempts"
    status = 429
    title = "Too many attempts; wait and try again"


class Unavailable(SysnddError):
    code = "unavailable"
    status = 503
    title = "The service can't answer right now"
    retry_after: int | None = 5


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"
    title = "The database does not answer"


class DatabaseBusy(Unavailable):
    """No connection became free within ``DB_POOL_TIMEOUT``, or the server has no more to give."""

    code = "database_busy"
    title = "All database connections are in use"
    retry_after = 1


class Maintenance(Unavailable):
    """Writes are refused while a restore replaces the tables; reads go on."""

    code = "maintenance"
    title = "The database is being restored; nothing can be changed for a moment"
    retry_after = 15


class SchemaChanging(Unavailable):
    """A table is missing or was redefined under the query: a restore or migration is at work."""

    code = "schema_changing"
    title = "The database is being restored or migrated"


class CopyFailed(Unavailable):
    """S3-compatible storage refused or does not answer; the local file is not affected."""

    code = "copy_failed"
    title = "The storage of second copies can't be used right now"
    retry_after = 60


class SchemaLockRefused(Unavailable):
    """The server gives no named locks (Galera in strict mode); nothing was touched."""

    code = "schema_lock_refused"
    title = "The database server refuses GET_LOCK"


class LinksNotPossible(Unavailable):
    """Nobody can register or recover, because no link can be made."""

    code = "links_not_possible"
    title = "TOKEN_KEY is not set, so no mail with a link can be sent"
    retry_after = None


class SignInBusy(Unavailable):
    code = "sign_in_busy"
    title = "Too many sign-ins at once"
    retry_after = 2


class InsufficientStorage(SysnddError):
    code = "insufficient_storage"
    status = 507
    title = "The disk has not enough room"


class JobFailed(SysnddError):
    """A job ended without its effect; ``code`` and ``detail`` go into the job's row."""

    code = "job_failed"
    title = "The job failed"


class JobCancelled(JobFailed):
    code = "cancelled"
    title = "The job was cancelled"


class LeaseLost(JobFailed):
    """Another worker has taken the row; nothing more may be written for this attempt."""

    code = "lease_lost"
    title = "Another worker took over the job"


class SchemaLockLost(JobFailed):
    """The lock around schema change, dump and restore is gone; someone else may be at work."""

    code = "schema_lock_lost"
    title = "The lock of the schema was lost"


class DumpFailed(JobFailed):
    code = "dump_failed"
    title = "The dump is not complete"


class MissingRights(JobFailed):
    """The database account can't see all that must be in a backup; names the missing right."""

    code = "missing_rights"
    title = "The database account lacks a right"


class ProofFailed(JobFailed):
    """A backup was loaded and dumped again, and something came back differently."""

    code = "proof_failed"
    title = "The backup does not give back what it was taken from"


class DumpClientMismatch(JobFailed):
    code = "dump_client_mismatch"
    title = "The dump client is of another vendor than the server"


class BackupDamaged(JobFailed):
    code = "backup_damaged"
    title = "The backup file is damaged"


class NotADump(JobFailed):
    """A file from elsewhere is no dump of a database by the vendors' own programs."""

    code = "not_a_dump"
    title = "The file is not a dump of a database"


class UnpacksTooLarge(JobFailed):
    """A file from elsewhere unpacks to more than the bound; a few bytes may unpack to terabytes."""

    code = "unpacks_too_large"
    title = "The file unpacks to more than is accepted"


class EncryptionKeyMissing(JobFailed):
    """The backup is encrypted and this worker has no identity; nothing was begun."""

    code = "encryption_key_missing"
    title = "There is no key to read the encrypted backup with"


class EncryptionKeyWrong(JobFailed):
    """The backup is encrypted to others; nothing was begun."""

    code = "encryption_key_wrong"
    title = "The backup is encrypted to another key"


class SafetyBackupFailed(JobFailed):
    code = "safety_backup_failed"
    title = "The backup before the restore failed, so nothing was restored"


class NoAdministratorInBackup(JobFailed):
    """Nobody could administer the site after this restore; it wants a second typed word."""

    code = "no_administrator_in_backup"
    title = "The backup holds no active Administrator"


class RestoreFailed(JobFailed):
    code = "restore_failed"
    title = "The restore failed"


def all_errors(root: type[SysnddError] = SysnddError) -> Iterator[type[SysnddError]]:
    """Yield ``root`` and every class below it, parents first."""
    yield root
    for child in root.__subclasses__():
        yield from all_errors(child)
