-- Which jobs have their final outcome in the audit log. Written in one transaction with that entry,
-- so that there is exactly one, also when a worker is killed between the two.
-- Names are not qualified: the migrator runs this file inside OPS_DB_NAME.

CREATE TABLE IF NOT EXISTS job_outcome (
  job_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  audited_at    DATETIME(6) NOT NULL,
  PRIMARY KEY (job_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Jobs that had ended before there was this table have told nobody, and are not told of now.
INSERT INTO job_outcome (job_id, audited_at)
SELECT job.id, job.finished_at FROM job
WHERE job.finished_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM job_outcome AS present WHERE present.job_id = job.id);
