"""Every page's address, in one list; the application puts it beside the API's."""

from sysndd_api.admin import account, audit, backups, jobs, migrations, overview
from sysndd_api.admin.pages import PageRoute, nothing_here
from sysndd_api.admin.static_files import static_file
from sysndd_api.auth import Access
from sysndd_api.backups.handlers import download_backup

ANYONE, SIGNED_IN, ADMIN = Access.ANYONE, Access.SIGNED_IN, Access.ADMINISTRATOR

_BACKUP = "/admin/backups/{name}"
_JOB = "/admin/jobs/{job_id}"

PAGES: tuple[PageRoute, ...] = (
    PageRoute("GET", "/admin/static/{name:path}", static_file, ANYONE),
    PageRoute("GET", "/account/sign-in", account.sign_in_page, ANYONE),
    PageRoute(
        "POST", "/account/sign-in", account.sign_in, ANYONE, account.sign_in_page,
        in_maintenance=True,
    ),
    PageRoute("POST", "/account/sign-out", account.sign_out, SIGNED_IN, in_maintenance=True),
    PageRoute("GET", "/admin", overview.page, ADMIN),
    PageRoute("GET", "/admin/backups", backups.list_page, ADMIN),
    PageRoute(
        "POST", "/admin/backups", backups.create, ADMIN, backups.list_page, in_maintenance=True
    ),
    PageRoute("GET", _BACKUP, backups.detail_page, ADMIN),
    PageRoute("GET", _BACKUP + "/download", download_backup, ADMIN),
    PageRoute("POST", _BACKUP + "/verify", backups.verify, ADMIN, backups.detail_page),
    PageRoute("POST", _BACKUP + "/pin", backups.pin, ADMIN, backups.detail_page),
    PageRoute("POST", _BACKUP + "/unpin", backups.unpin, ADMIN, backups.detail_page),
    PageRoute("GET", _BACKUP + "/delete", backups.delete_page, ADMIN),
    PageRoute("POST", _BACKUP + "/delete", backups.delete, ADMIN, backups.delete_page),
    PageRoute("GET", _BACKUP + "/restore", backups.restore_page, ADMIN),
    PageRoute(
        "POST", _BACKUP + "/restore", backups.restore, ADMIN, backups.restore_page,
        in_maintenance=True,
    ),
    PageRoute("GET", "/admin/restores/undo", backups.undo_page, ADMIN),
    PageRoute(
        "POST", "/admin/restores/undo", backups.undo, ADMIN, backups.undo_page,
        in_maintenance=True,
    ),
    PageRoute("GET", "/admin/jobs", jobs.list_page, ADMIN),
    PageRoute("GET", _JOB, jobs.detail_page, ADMIN),
    PageRoute("GET", _JOB + "/live", jobs.live_part, ADMIN),
    PageRoute("GET", _JOB + "/progress", jobs.progress_part, ADMIN),
    PageRoute("POST", _JOB + "/cancel", jobs.cancel, ADMIN, jobs.detail_page, in_maintenance=True),
    PageRoute("POST", _JOB + "/retry", jobs.retry, ADMIN, jobs.detail_page, in_maintenance=True),
    PageRoute("GET", "/admin/migrations", migrations.page, ADMIN),
    PageRoute("GET", "/admin/audit", audit.page, ADMIN),
    PageRoute("GET", "/admin/audit.csv", audit.export, ADMIN),
    PageRoute("GET", "/admin/{rest:path}", nothing_here, ADMIN),
    PageRoute("GET", "/account/{rest:path}", nothing_here, ANYONE),
)  # fmt: skip
