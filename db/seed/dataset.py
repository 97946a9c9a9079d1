"""The rows of the development data set, identical on every run.

Real data: the genes (``genes.tsv``: approved symbols, names, aliases, chromosomes and Ensembl IDs
of genes known in neurodevelopmental disorders, from HGNC, CC0) and the diseases (``diseases.tsv``:
names from the Mondo Disease Ontology, CC BY 4.0, with their MONDO ID or, for some, their OMIM
number, so that both schemes occur).

All other data is invented. A seeded random generator combines genes with diseases, strength of
evidence and synopses; none of it has a medical meaning. PubMed IDs start at 900000001, far above
those that PubMed has assigned; email addresses end in example.org; no account has a password, so
none of them can sign in.
"""

import csv
import datetime as dt
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
DISEASES_PER_GENE = 40
PUBLICATIONS = 600
FIRST_PMID = 900_000_001
EPOCH = dt.datetime(2021, 3, 1, 8, tzinfo=dt.UTC)
RANDOM_SEED = 6990  # HGNC number of MECP2


@dataclass(frozen=True)
class UserOf:
    """The ``user_id`` of the account with this user name; the database assigns the number."""

    user_name: str


Value = str | int | bool | dt.datetime | UserOf | None


@dataclass(frozen=True)
class Table:
    """Rows for one table, each as long as ``columns``."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class DataSet:
    """Tables in an order that satisfies the foreign keys, and the replaced entities.

    Attributes:
        tables: Tables in the order of insertion.
        replaced: IDs of inactive entities whose successor is the entity with the next ID.
    """

    tables: tuple[Table, ...]
    replaced: tuple[int, ...]


def data_set() -> DataSet:
    """Build the data set.

    Returns:
        148 genes, about 100 diseases, about 6,000 entities and as many reviews.
    """
    chance = random.Random(RANDOM_SEED)  # noqa: S311 - repeatable data, not secrets
    genes, diseases = _read("genes.tsv"), _read("diseases.tsv")
    entities, replaced, curated = _entities(chance, genes, diseases)
    reviews, links = _reviews(chance, curated)
    publications = _publications(chance, genes)
    return DataSet(
        (_users(), _genes(genes), _diseases(diseases), publications, entities, reviews, links),
        replaced,
    )


# People ----------------------------------------------------------------------------------------

# user name, first name, family name, role, state, comment
_PEOPLE: tuple[tuple[str, str, str, str, str, str | None], ...] = (
    ("ines.alvarez", "Inés", "Álvarez Núñez", "Curator", "active", "Epilepsies"),
    ("bjoern.hakansson", "Björn", "Håkansson", "Curator", "active", None),
    ("eleni.papadopoulou", "Ελένη", "Παπαδοπούλου", "Curator", "active", "β-tubulins 🧬"),
    ("lukasz.zielinski", "Łukasz", "Zieliński", "Reviewer", "active", None),
    ("ming.li", "明", "李", "Reviewer", "active", "Imprinting"),
    ("zoe.obrien", "Zoë", "O'Brien", "Reviewer", "active", None),
    ("noor.haddad", "Noor", "Haddad", "Viewer", "active", None),
    ("chloe.lefevre", "Chloé", "Lefèvre", "Viewer", "awaiting_approval", "Invited by Inés"),
    ("tomas.novak", "Tomáš", "Novák", "Viewer", "unconfirmed", None),
    ("greta.lind", "Greta", "Lind", "Reviewer", "deactivated", "Left in 2023"),
)


def _users() -> Table:
    columns = (
        "user_name",
        "email",
        "first_name",
        "family_name",
        "orcid",
        "comment",
        "role",
        "state",
    )
    rows = []
    for number, (name, first, family, role, state, comment) in enumerate(_PEOPLE):
        created = EPOCH + dt.timedelta(days=number)
        confirmed = None if state == "unconfirmed" else created + dt.timedelta(hours=2)
        # The ORCID iD that ORCID documents as an example.
        orcid = "0000-0002-1825-0097" if number == 0 else None
        who = (name, f"{name}@example.org", first, family, orcid, comment, role, state)
        rows.append((*who, created, created, confirmed))
    return Table("user", (*columns, "created_at", "updated_at", "confirmed_at"), tuple(rows))


def _people(role: str) -> list[UserOf]:
    return [
        UserOf(name) for name, _, _, held, state, _ in _PEOPLE if (held, state) == (role, "active")
    ]


# Vocabularies ----------------------------------------------------------------------------------


def _read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _genes(genes: list[dict[str, str]]) -> Table:
    columns = ("hgnc_id", "symbol", "name", "alias_symbols", "chromosome", "ensembl_gene_id")
    rows = tuple((*(gene[column] or None for column in columns), EPOCH, EPOCH) for gene in genes)
    return Table("gene", (*columns, "created_at", "updated_at"), rows)


def _diseases(diseases: list[dict[str, str]]) -> Table:
    rows = tuple((disease["disease_id"], disease["name"], EPOCH, EPOCH) for disease in diseases)
    return Table("disease", ("disease_id", "name", "created_at", "updated_at"), rows)


_JOURNALS = (
    "Journal of Invented Genetics",
    "Annals of Synthetic Neurology",
    "Archives Génétiques Fictives",
)
_AUTHORS = "Álvarez I, Håkansson B, Παπαδοπούλου Ε"
_STUDIES = (
    "De novo variants in {symbol} in a cohort of {n} individuals with developmental delay",
    "{symbol} and the synapse: electrophysiology of {n} missense variants",
    "Loss of {symbol} alters α-synuclein-independent vesicle release in {n} mouse lines",
    "Genotype and phenotype in {n} families with {symbol}-related disorder",
)
_KEYWORDS = (
    "epilepsy",
    "intellectual disability",
    "autism",
    "ataxia",
    "GABA-A β3",
    "haploinsufficiency",
)


def _publications(chance: random.Random, genes: list[dict[str, str]]) -> Table:
    columns = ("pmid", "title", "authors", "journal", "publication_year", "abstract", "keywords")
    rows = []
    for number in range(PUBLICATIONS):
        symbol, cohort = chance.choice(genes)["symbol"], chance.randint(3, 480)
        title = chance.choice(_STUDIES).format(symbol=symbol, n=cohort)
        abstract = (
            f"We studied {cohort} individuals. "
            f"{_finding(chance, symbol)} {_finding(chance, symbol)} "
            "This abstract is made up and belongs to a development data set."
        )
        keywords = json.dumps(sorted(chance.sample(_KEYWORDS, 3)), ensure_ascii=False)
        where = (chance.choice(_JOURNALS), chance.randint(1998, 2024))
        rows.append((FIRST_PMID + number, title, _AUTHORS, *where, abstract, keywords, EPOCH))
    return Table("publication", (*columns, "created_at"), tuple(rows))


# Curation --------------------------------------------------------------------------------------

_AUTOSOMAL = ("HP:0000006", "HP:0000006", "HP:0000006", "HP:0000007", "HP:0032113")
_X_LINKED = ("HP:0001417", "HP:0001423", "HP:0001419")
_CATEGORIES = ("Definitive", "Moderate", "Limited", "Refuted")
_STATUSES = ("approved", "in_review", "draft", "rejected")
_REPLACED_IN_A_HUNDRED = 4


class _Curated(NamedTuple):
    """The fields of an entity that its reviews use."""

    entity_id: int
    symbol: str
    disease: str
    created: dt.datetime


_ENTITY_COLUMNS = (
    *("entity_id", "hgnc_id", "disease_id", "inheritance_id", "category", "status"),
    *("ndd_phenotype", "entry_user", "created_at", "updated_at", "is_active"),
)


def _entities(
    chance: random.Random, genes: list[dict[str, str]], diseases: list[dict[str, str]]
) -> tuple[Table, tuple[int, ...], list[_Curated]]:
    curated: list[_Curated] = []
    rows: list[tuple[Value, ...]] = []
    replaced: list[int] = []
    curators = _people("Curator")
    for gene in genes:
        modes = _X_LINKED if gene["chromosome"] == "X" else _AUTOSOMAL
        for disease in chance.sample(diseases, DISEASES_PER_GENE):
            what = (gene["hgnc_id"], disease["disease_id"], chance.choice(modes))
            phenotype, curator = chance.random() < 0.9, chance.choice(curators)
            # A corrected entity has its old row directly before the row that replaced it.
            versions = (False, True) if chance.randrange(100) < _REPLACED_IN_A_HUNDRED else (True,)
            for is_active in versions:
                entity_id = len(rows) + 1
                created = EPOCH + dt.timedelta(
                    minutes=240 * entity_id, microseconds=chance.randrange(10**6)
                )
                (category,) = chance.choices(_CATEGORIES, weights=(50, 25, 20, 5))
                (status,) = chance.choices(_STATUSES, weights=(80, 10, 7, 3))
                curated.append(_Curated(entity_id, gene["symbol"], disease["name"], created))
                if not is_active:
                    replaced.append(entity_id)
                rows.append(
                    (
                        entity_id,
                        *what,
                        category,
                        status,
                        phenotype,
                        curator,
                        created,
                        created,
                        is_active,
                    )
                )
    return Table("entity", _ENTITY_COLUMNS, tuple(rows)), tuple(replaced), curated


_FINDINGS = (
    "Most variants in {symbol} arose de novo and truncate the protein.",
    "Patch-clamp recordings show a shift of activation by {n} mV and a slower τ of inactivation.",
    "Seizures begin at a median age of {n} months; levels of γ-aminobutyric acid (GABA) were "
    "reduced.",
    "Two families segregate a missense variant that destabilises the β-sheet of the catalytic "
    "domain.",
    "Children walk at {n} months on average; naïve observers rated language as the main "
    "difficulty.",
    "Café-au-lait spots were seen in {n} % and are probably coincidental.",
    "Knock-down of {symbol} in zebrafish (≤ {n} h after fertilisation) reproduces the small head.",
    "MRI is normal in most; a thin corpus callosum and delayed myelination occur in {n} %.",
    "Expression in Purkinje cells falls below {n} μmol/l equivalents in the model of Sjögren's "
    "group.",
)

_REVIEW_COLUMNS = (
    *("review_id", "entity_id", "synopsis", "comment", "review_user", "review_date"),
    *("is_primary", "approved", "approving_user", "approved_at"),
)


def _reviews(chance: random.Random, curated: list[_Curated]) -> tuple[Table, Table]:
    reviews: list[tuple[Value, ...]] = []
    links: list[tuple[Value, ...]] = []
    for entity in curated:
        for is_primary in _versions(chance):
            review_id = len(reviews) + 1
            text = _synopsis(chance, entity.symbol, entity.disease)
            judgement = _judgement(chance, entity.created, is_primary)
            reviews.append((review_id, entity.entity_id, text, *judgement))
            pmids = chance.sample(
                range(FIRST_PMID, FIRST_PMID + PUBLICATIONS), chance.randint(1, 3)
            )
            links.extend(
                (review_id, pmid, "primary" if first else "additional")
                for first, pmid in zip((True, False, False), sorted(pmids), strict=False)
            )
    return (
        Table("review", _REVIEW_COLUMNS, tuple(reviews)),
        Table("review_publication", ("review_id", "pmid", "publication_type"), tuple(links)),
    )


def _versions(chance: random.Random) -> tuple[bool, ...]:
    """Yield for each review of one entity whether it is the primary one."""
    (versions,) = chance.choices(((), (True,), (False, True)), weights=(10, 75, 15))
    return versions


def _judgement(chance: random.Random, created: dt.datetime, is_primary: bool) -> Iterator[Value]:
    written = created + dt.timedelta(days=chance.randint(1, 300))
    approved = is_primary and chance.random() < 0.9
    yield "Please check the β-subunit paragraph" if chance.random() < 0.05 else None
    yield chance.choice(_people("Reviewer"))
    yield written
    yield is_primary
    yield approved
    yield chance.choice(_people("Curator")) if approved else None
    yield written + dt.timedelta(days=7) if approved else None


def _synopsis(chance: random.Random, symbol: str, disease: str) -> str:
    findings = " ".join(_finding(chance, symbol) for _ in range(chance.randint(3, 5)))
    return f"{symbol} and {disease} (synthetic text). {findings}"


def _finding(chance: random.Random, symbol: str) -> str:
    return chance.choice(_FINDINGS).format(symbol=symbol, n=chance.randint(2, 40))
