"""The options of ``sysndd-admin restore``."""

import re

import pytest

from sysndd_api.cli.main import main
from sysndd_core.jobs.models import Consent


def test_help_lists_each_risk_that_a_restore_can_accept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        main(["restore", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for consent in Consent:
        assert re.search(rf"{consent}: \w+", shown), shown


def test_an_unknown_consent_is_a_usage_error_that_names_the_allowed_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["restore", "latest", "--accept", "no_administrator", "--accept", "risk"])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert "--accept: invalid choice: 'risk'" in shown
    for consent in Consent:
        assert consent in shown
