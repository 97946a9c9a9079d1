"""Which keys are deferred until after the rows, and which remain in CREATE TABLE."""

from sysndd_backup.load.deferred_keys import defer_keys

TABLE = b"""CREATE TABLE `a ``b` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `t` text DEFAULT 'KEY `x` (`y`),',
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`t`(9)),
  KEY `k` (`t`(5),`id`),
  FULLTEXT KEY `f1` (`t`),
  FULLTEXT KEY `f2` (`t`,`u`),
  CONSTRAINT `self` FOREIGN KEY (`id`) REFERENCES `a ``b` (`id`) ON DELETE CASCADE,
  CONSTRAINT `c` CHECK (`id` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4
/*!50100 PARTITION BY HASH (`id`)
PARTITIONS 2 */"""


def test_secondary_keys_and_foreign_keys_are_deferred() -> None:
    found = defer_keys(TABLE.split(b"\n"))
    assert found is not None
    assert found.table == b"`a ``b`"
    assert (
        found.create
        == b"""CREATE TABLE `a ``b` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `t` text DEFAULT 'KEY `x` (`y`),',
  PRIMARY KEY (`id`),
  CONSTRAINT `c` CHECK (`id` > 0)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4
/*!50100 PARTITION BY HASH (`id`)
PARTITIONS 2 */"""
    )
    assert found.keys == (
        b"ALTER TABLE `a ``b` ADD UNIQUE KEY `u` (`t`(9)), ADD KEY `k` (`t`(5),`id`),"
        b" ADD FULLTEXT KEY `f1` (`t`)",
        b"ALTER TABLE `a ``b` ADD FULLTEXT KEY `f2` (`t`,`u`)",
    )
    assert found.references == (
        b"ALTER TABLE `a ``b` ADD CONSTRAINT `self` FOREIGN KEY (`id`)"
        b" REFERENCES `a ``b` (`id`) ON DELETE CASCADE"
    )


def test_keys_that_the_rows_require_are_not_deferred() -> None:
    auto_increment = TABLE.replace(b"PRIMARY KEY (`id`)", b"PRIMARY KEY (`t`,`id`)")
    unknown = TABLE.replace(b"  FULLTEXT KEY `f1`", b"  VECTOR KEY `f1`")
    for text in (auto_increment, unknown, TABLE.replace(b"InnoDB", b"MyISAM")):
        found = defer_keys(text.split(b"\n"))
        assert found is not None
        assert found.keys == ()
        assert b"  KEY `k`" in found.create
    without = TABLE.replace(b"  PRIMARY KEY (`id`),\n", b"").replace(b" AUTO_INCREMENT,", b",")
    found = defer_keys(without.split(b"\n"))
    assert found is not None
    assert b"  UNIQUE KEY `u`" in found.create
    assert found.keys[0].startswith(b"ALTER TABLE `a ``b` ADD KEY `k`")


def test_a_definition_in_another_format_is_rejected() -> None:
    assert defer_keys([b"CREATE TABLE `t` (`id` int)"]) is None
    assert defer_keys([b"CREATE TABLE `t` (", b"  `id` int"]) is None
