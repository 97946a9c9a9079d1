"""Fills a schema of a given size for the benchmarks of backups and restores.

The five tables resemble those of a curation site: narrow rows of numbers, text of real words, JSON,
dates, foreign keys (one to the same table) and 20 secondary indexes. The content depends only on
the seed, so two servers with the same size hold the same bytes.

    python -m bench.backup.dataset --socket /run/mysqld/mysqld.sock --schema bench --megabytes 1000
"""

import argparse
import random
import sys
import time
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor

BATCH_ROWS = 20_000
SENTENCES = 60_000
"""Together larger than the window of zstd -3 (2 MiB), so that repetitions do not compress."""

# Share of the dump's bytes, and measured bytes of one row in the dump.
TABLES = {
    "gene": (0.01, 173),
    "variant": (0.34, 138),
    "annotation": (0.30, 661),
    "publication": (0.25, 1180),
    "change_event": (0.10, 276),
}

_SCHEMA = """
CREATE TABLE gene (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  hgnc_id VARCHAR(16) NOT NULL, symbol VARCHAR(32) NOT NULL, name VARCHAR(255) NOT NULL,
  chromosome VARCHAR(2) NOT NULL, omim INT UNSIGNED NULL,
  UNIQUE KEY gene_hgnc (hgnc_id), KEY gene_symbol (symbol), KEY gene_place (chromosome, symbol)
) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE variant (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, gene_id INT UNSIGNED NOT NULL,
  position INT UNSIGNED NOT NULL, reference VARCHAR(8) NOT NULL, alternate VARCHAR(8) NOT NULL,
  frequency DOUBLE NULL, score DECIMAL(9,5) NOT NULL, consequence VARCHAR(40) NOT NULL,
  checksum BINARY(16) NOT NULL, seen_at DATETIME(6) NOT NULL, reviewed TINYINT NOT NULL,
  KEY variant_gene (gene_id, position), KEY variant_position (position),
  KEY variant_score (score), KEY variant_frequency (frequency), KEY variant_checksum (checksum),
  KEY variant_seen (seen_at), KEY variant_consequence (consequence, reviewed),
  CONSTRAINT variant_of_gene FOREIGN KEY (gene_id) REFERENCES gene (id)
) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE annotation (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, gene_id INT UNSIGNED NOT NULL,
  parent_id INT UNSIGNED NULL, category VARCHAR(24) NOT NULL, body TEXT NOT NULL, facts JSON NULL,
  made_at DATETIME NOT NULL, made_by INT UNSIGNED NOT NULL,
  KEY annotation_gene (gene_id, category), KEY annotation_parent (parent_id),
  KEY annotation_made (made_at), KEY annotation_author (made_by, made_at),
  CONSTRAINT annotation_of_gene FOREIGN KEY (gene_id) REFERENCES gene (id),
  CONSTRAINT annotation_answers FOREIGN KEY (parent_id) REFERENCES annotation (id)
) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE publication (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, pmid INT UNSIGNED NOT NULL,
  title VARCHAR(400) NOT NULL, abstract MEDIUMTEXT NOT NULL, journal VARCHAR(60) NOT NULL,
  published DATE NOT NULL, authors JSON NOT NULL,
  UNIQUE KEY publication_pmid (pmid), KEY publication_title (title(80)),
  KEY publication_journal (journal, published), KEY publication_published (published)
) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
CREATE TABLE change_event (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, happened_at DATETIME(6) NOT NULL,
  actor INT UNSIGNED NOT NULL, action VARCHAR(32) NOT NULL, detail JSON NOT NULL,
  KEY event_time (happened_at), KEY event_actor (actor, happened_at)
) ENGINE=InnoDB CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
"""

_HASH = "CRC32(CONCAT({salt}, n.n))"

# s1 … are sentences; h(k) is a hash of the row's number.
_ROWS = {
    "gene": "n.n, CONCAT('HGNC:', n.n), CONCAT('GN', n.n, CHAR(65 + h(1) % 26)), s1.text,"
    " ELT(1 + h(2) % 5, '1', '2', '17', 'X', 'Y'), 100000 + h(3) % 500000",
    "variant": "n.n, 1 + h(1) % {genes}, h(2) % 248000000, ELT(1 + h(3) % 4, 'A', 'C', 'G', 'T'),"
    " ELT(1 + h(4) % 4, 'A', 'C', 'G', 'T'), IF(h(5) % 9 = 0, NULL, h(6) / 4294967296),"
    " (h(7) % 900000000) / 100000, ELT(1 + h(8) % 4, 'missense_variant', 'stop_gained',"
    " 'splice_region_variant', 'synonymous_variant'), UNHEX(MD5(n.n)),"
    " '2020-01-01' + INTERVAL h(9) % 150000000 SECOND + INTERVAL h(10) % 1000000 MICROSECOND,"
    " h(11) % 2",
    "annotation": "n.n, 1 + h(1) % {genes},"
    " IF(h(2) % 3 = 0 AND n.n > 1, 1 + h(3) % (n.n - 1), NULL),"
    " ELT(1 + h(4) % 4, 'phenotype', 'inheritance', 'mechanism', 'note'),"
    " CONCAT_WS(' ', s1.text, s2.text, s3.text, s4.text), JSON_OBJECT('hpo', CONCAT('HP:', h(5)"
    " % 20000), 'confidence', h(6) % 100,"
    " 'source', ELT(1 + h(7) % 3, 'ClinVar', 'OMIM', 'PanelApp')),"
    " '2019-06-01' + INTERVAL h(8) % 180000000 SECOND, 1 + h(9) % 300",
    "publication": "n.n, 20000000 + n.n, s1.text,"
    " CONCAT_WS('\\n', s2.text, s3.text, s4.text, s5.text, s6.text, s7.text, s8.text),"
    " ELT(1 + h(1) % 4, 'Human Mutation', 'Am J Hum Genet', 'Brain', 'Genet Med'),"
    " '1990-01-01' + INTERVAL h(2) % 12000 DAY,"
    " JSON_ARRAY(CONCAT('Author ', h(3) % 9000), CONCAT('Author ', h(4) % 9000),"
    " CONCAT('Müller ', h(5) % 9000))",
    "change_event": "n.n, '2024-01-01' + INTERVAL h(1) % 60000000 SECOND, 1 + h(2) % 300,"
    " ELT(1 + h(3) % 3, 'review.updated', 'status.approved', 'entity.created'),"
    " JSON_OBJECT('request', MD5(n.n), 'before', s1.text, 'rows', h(4) % 50)",
}

_WORDS = (
    "patient variant exon protein intellectual disability seizure cohort sequencing pathogenic"
    " phenotype developmental delay hypotonia family onset missense truncating dominant"
    " recessive clinical functional evidence mutation cortical epilepsy autism speech gait"
    " microcephaly brain expression neuron synapse channel receptor kinase complex pathway mouse"
    " model zebrafish rescue observed reported described confirmed suggests associated severe"
    " mild variable unrelated with without and the of in from between after before among several"
    " most 12 27 3.5 p.Arg c.1234"
)


def fill(connection: "pymysql.Connection[Cursor]", schema: str, megabytes: float) -> dict[str, int]:
    """Recreate the schema and fill it.

    Args:
        connection: Connection in autocommit mode with the privilege to create schemas.
        schema: Name of the schema, which is dropped first.
        megabytes: Approximate size of its dump in million bytes.

    Returns:
        Number of rows of each table.
    """
    rows = {
        name: max(50, int(megabytes * 1e6 * share / size)) for name, (share, size) in TABLES.items()
    }
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{schema}`")
        cursor.execute(f"CREATE DATABASE `{schema}` CHARACTER SET utf8mb4")
        connection.select_db(schema)
        for statement in _SCHEMA.split(";\n"):
            if statement.strip():
                cursor.execute(statement)
        _create_sources(cursor)
        # All references are valid; checking them would take a third longer.
        cursor.execute("SET foreign_key_checks = 0, unique_checks = 0")
        for name, count in rows.items():
            statement = _insert(name, rows["gene"])
            for first in range(0, count, BATCH_ROWS):
                cursor.execute(statement, (first, first, min(BATCH_ROWS, count - first)))
        cursor.execute("DROP TABLE bench_number, bench_sentence")
        cursor.execute("SET foreign_key_checks = 1, unique_checks = 1")
        cursor.execute("ANALYZE TABLE " + ", ".join(TABLES))
    return rows


def _create_sources(cursor: Cursor) -> None:
    generator = random.Random(5)  # noqa: S311 - not a secret
    cursor.execute("CREATE TABLE bench_number (n INT UNSIGNED NOT NULL PRIMARY KEY)")
    cursor.execute("CREATE TABLE bench_sentence (id INT UNSIGNED PRIMARY KEY, text TEXT NOT NULL)")
    cursor.executemany(
        "INSERT INTO bench_number VALUES (%s)", [(n,) for n in range(1, BATCH_ROWS + 1)]
    )
    sentences = []
    for number in range(SENTENCES):
        words = generator.choices(_WORDS.split(), k=generator.randint(12, 22))
        sentences.append((number, " ".join(words).capitalize() + "."))
    cursor.executemany("INSERT INTO bench_sentence VALUES (%s, %s)", sentences)


def _insert(table: str, genes: int) -> str:
    """Return the INSERT of a batch; its arguments are the offset, twice, and the number of rows."""
    values = _ROWS[table].replace("{genes}", str(genes))
    for salt in reversed(range(1, 12)):
        values = values.replace(f"h({salt})", _HASH.format(salt=salt))
    joins = "".join(
        f" JOIN bench_sentence AS s{k} ON s{k}.id = {_HASH.format(salt=100 + k)} %% {SENTENCES}"
        for k in range(1, 9)
        if f"s{k}.text" in values
    )
    values = values.replace("%", "%%")
    return (
        f"INSERT INTO {table} SELECT STRAIGHT_JOIN {values}"
        " FROM (SELECT n + %s AS n FROM bench_number"
        " WHERE n + %s <= 4294967295 ORDER BY n LIMIT %s)"
        f" AS n{joins}"
    )


def main() -> int:
    """Fill a schema of a running server; return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.backup.dataset", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--user", default="root")
    parser.add_argument("--password", default="")
    parser.add_argument("--schema", default="bench")
    parser.add_argument("--megabytes", type=float, default=50)
    options = parser.parse_args()
    started = time.monotonic()
    connection = pymysql.connect(
        unix_socket=str(options.socket),
        user=options.user,
        password=options.password,
        charset="utf8mb4",
        autocommit=True,
    )
    with connection:
        rows = fill(connection, options.schema, options.megabytes)
    print(f"{options.schema}: {rows} in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
