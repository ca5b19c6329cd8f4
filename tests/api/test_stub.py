"""What editors and type checkers are told of `nlpkit` is what it has."""

from __future__ import annotations

from nlpkit.api import stub


def test_the_stub_is_current() -> None:
    assert stub.PATH.read_text(encoding="utf-8") == stub.rendered(), "write it anew: make reference"
    assert stub.PATH.with_name("py.typed").is_file()
