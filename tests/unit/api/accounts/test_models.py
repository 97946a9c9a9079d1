"""Which names, addresses and ORCID iDs a registration may have."""

import pytest
from pydantic import SecretStr, ValidationError

from sysndd_api.accounts.models import EmailRequest, RegisterRequest


def register(**changes: str) -> RegisterRequest:
    values = {"user_name": "marie", "email": "marie@lab.example", "password": "x"} | changes
    return RegisterRequest.model_validate(values)


@pytest.mark.parametrize(
    "email",
    [
        "marie@lab.example",
        "m@a.bc",
        "marie.curie+sysndd@sub.lab.example",
        # RFC 5322, section 3.2.3: all of these are allowed in an atom.
        "!#$%&'*+/=?^_`{|}~-@lab.example",
        "x" * 64 + "@lab.example",
        "marie@xn--bcher-kva.example",
    ],
)
def test_an_address_that_mail_can_be_sent_to_is_accepted(email: str) -> None:
    assert EmailRequest(email=email).email == email


@pytest.mark.parametrize(
    "email",
    [
        "",
        "marie",
        "@lab.example",
        "marie@",
        "marie@lab",
        "marie@@lab.example",
        ".marie@lab.example",
        "marie.@lab.example",
        "ma..rie@lab.example",
        "marie@-lab.example",
        "marie@lab-.example",
        "marie@lab..example",
        # RFC 5321, section 4.5.3.1: 64 octets before the @, 254 in a path.
        "x" * 65 + "@lab.example",
        "x@" + "a." * 130 + "example",
        '"marie curie"@lab.example',
        "marie@[192.0.2.1]",
        # A line break would start another header of the email.
        "marie@lab.example\n",
        "marie@lab.example\r\nBcc: all@lab.example",
        "marie@lab.example, pierre@lab.example",
        "Marie <marie@lab.example>",
        "märie@lab.example",
    ],
)
def test_another_address_is_rejected(email: str) -> None:
    with pytest.raises(ValidationError):
        EmailRequest(email=email)


@pytest.mark.parametrize("name", ["a", " a ", "marie@lab", "ma\u200brie", "ma\nrie", "x" * 65])
def test_a_user_name_that_is_short_invisible_or_an_address_is_rejected(name: str) -> None:
    with pytest.raises(ValidationError):
        register(user_name=name)


def test_a_user_name_is_stored_composed_and_without_outer_blanks() -> None:
    assert register(user_name=" Mari\u0301e ").user_name == "Mar\u00ede"


@pytest.mark.parametrize("orcid", ["0000-0002-1825-0097", "0000-0002-9079-593X"])
def test_an_orcid_with_its_check_digit_is_accepted(orcid: str) -> None:
    """The examples of ORCID's own documentation (ISO 7064, MOD 11-2)."""
    assert register(orcid=orcid).orcid == orcid


@pytest.mark.parametrize(
    "orcid",
    [
        "0000-0002-1825-0098",
        # Two digits exchanged, which the check digit is made to detect.
        "0000-0002-8125-0097",
        "0000-0002-9079-593x",
        "0000000218250097",
        "https://orcid.org/0000-0002-1825-0097",
        "\u0660\u0660\u0660\u0660-0002-1825-0097",
        "0000-0002-1825-0097\n",
    ],
)
def test_another_orcid_is_rejected(orcid: str) -> None:
    with pytest.raises(ValidationError):
        register(orcid=orcid)


def test_a_password_is_not_shown_when_a_request_is_printed() -> None:
    request = register(password="correct horse battery staple")
    assert isinstance(request.password, SecretStr)
    assert "horse" not in repr(request)
