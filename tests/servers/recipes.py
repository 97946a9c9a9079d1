"""The servers of `make lane LANE=servers`, and the packages that they are unpacked from."""

from dataclasses import dataclass

# The last argument of a server, so that it finds its messages in the unpacked folder, not in /usr.
_BASEDIR = "--basedir={prefix}"


@dataclass(frozen=True)
class Recipe:
    """One server and its client programs.

    Arguments:
        name: for the command line and the cache.
        series: prefix of the server's version.
        suite: the distribution's release that has this series.
        packages: packages to unpack, with their dependencies.
        programs: programs for the PATH: path below the root, and arguments added at the end.
        flavour: value of ``TEST_DATABASE_SERVER``.
    """

    name: str
    series: str
    suite: str
    packages: tuple[str, ...]
    programs: tuple[tuple[str, str], ...]
    flavour: str

    @property
    def server_program(self) -> str:
        """File name of the server program: the first of the programs."""
        return self.programs[0][0].rpartition("/")[2]


RECIPES = (
    Recipe(
        name="mysql-9.7",
        series="9.7.",
        suite="sid",
        packages=("mysql-server-core", "mysql-client-core"),
        programs=(
            ("usr/sbin/mysqld", _BASEDIR),
            ("usr/bin/mysql", ""),
            ("usr/bin/mysqldump", ""),
        ),
        flavour="mysql",
    ),
    Recipe(
        name="mariadb-11.8",
        series="11.8.",
        suite="trixie",
        packages=("mariadb-server-core", "mariadb-client-core", "mariadb-client"),
        programs=(
            ("usr/sbin/mariadbd", _BASEDIR),
            # A shell script, which finds the other programs with the same option.
            ("usr/bin/mariadb-install-db", _BASEDIR),
            ("usr/bin/my_print_defaults", ""),
            ("usr/bin/resolveip", ""),
            ("usr/bin/mariadb", ""),
            ("usr/bin/mariadb-dump", ""),
        ),
        flavour="mariadb",
    ),
)
