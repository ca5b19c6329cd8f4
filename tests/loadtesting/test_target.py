from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.loadtesting import target
from nlpkit.loadtesting.options import TargetOptions


def find(url: str, **given: Any) -> target.Target:
    return target.find(TargetOptions(url=url, **given))


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and their addresses; the machine that runs the tests has no others."""
    names: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        if host not in names:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def test_this_machine_is_loaded_and_another_only_if_it_is_yours(resolves: dict[str, list[str]]) -> None:
    resolves |= {"here.test": ["127.0.0.1", "::1"], "mixed.test": ["127.0.0.1", "192.0.2.7"], "any": ["0.0.0.0"]}
    found = find("https://here.test/v1/embed/")
    assert (found.origin, found.path, found.addresses) == ("https://here.test:443", "/v1/embed", ["127.0.0.1", "::1"])
    for name, address in (("mixed.test", "192.0.2.7"), ("any", "0.0.0.0")):
        with pytest.raises(UserError, match=f"{name} is {address}, not this machine.*\n.*--i-own-this-host"):
            find(f"http://{name}:8000")
        assert find(f"http://{name}:8000", i_own_this_host=True).port == 8000


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.8.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_addresses_of_this_machine(address: str, here: bool) -> None:
    assert target.is_loopback(address) == here


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("127.0.0.1:8000", "no address of a service"),
        ("ftp://127.0.0.1", "no address of a service"),
        ("http://", "no address of a service"),
        ("http://127.0.0.1:99999", "URL http://127.0.0.1:99999: Port"),
        ("http://127.0.0.1:0", "there is no port 0"),
        ("http://me:secret@127.0.0.1", "a name or a password"),
        ("http://127.0.0.1/predict?top_k=3", "by POST"),
        ("http://127.0.0.1/a b", "letters, digits and marks"),
        ("http://nowhere.test", "the host nowhere.test has no address"),
    ],
)
def test_what_is_no_address_is_refused(url: str, message: str, resolves: dict[str, list[str]]) -> None:
    resolves["127.0.0.1"] = ["127.0.0.1"]
    with pytest.raises(UserError, match=message) as error:
        find(url)
    assert "secret" not in str(error.value)


def test_the_key_comes_from_a_file_or_the_environment_and_is_in_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolves: dict[str, list[str]]
) -> None:
    resolves |= {"127.0.0.1": ["127.0.0.1"], "far.test": ["192.0.2.1"]}
    monkeypatch.setenv("NLPKIT_API_KEY", "of-the-environment\n")
    file = tmp_path / "key"
    file.write_text("of-the-file\n")
    assert find("http://127.0.0.1").key == "of-the-environment"
    found = find("http://127.0.0.1", api_key_file=file)
    assert found.key == "of-the-file" and "of-the-file" not in repr(found)
    for content, message in ((" \n", "the file is empty"), ("two\nlines", "one line of ASCII"), ("ключ", "of ASCII")):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            find("http://127.0.0.1", api_key_file=file)
    with pytest.raises(UserError, match="cannot be read: No such file"):
        find("http://127.0.0.1", api_key_file=tmp_path / "none")
    with reporting.listening() as heard:
        find("http://far.test", i_own_this_host=True)
    assert heard.warnings == ["the key goes to far.test unencrypted, as the address begins with http://"]
