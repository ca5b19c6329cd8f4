"""How sentences and their translations are read, and what is left out of them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from conftest import write_csv, write_jsonl

from nlpkit.data import translations
from nlpkit.data.inputs import Reading
from nlpkit.errors import UserError

EN = ["a dog runs", "a cat", "two men", "", "a cat", "Berlin"]
DE = ["ein Hund rennt", "eine Katze", "", "nichts", "eine Katze", "Berlin"]


def aligned(folder: Path, **files: list[str]) -> str:
    for name, lines in files.items():
        (folder / f"train.{name}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return ",".join(str(folder / f"train.{name}") for name in files)


def test_aligned_files(tmp_path: Path) -> None:
    found = translations.read([aligned(tmp_path, de=DE, en=EN)], Reading())
    assert found.first == "en"  # whichever file is named first
    assert found.texts == ["a dog runs", "a cat", "Berlin"]
    assert found.translations == ["ein Hund rennt", "eine Katze", "Berlin"]
    assert found.where[1].endswith("line 2")
    told = {finding.check: finding.count for finding in found.findings}
    assert told == {"empty-side": 2, "repeated-pair": 1, "untranslated": 1}
    assert translations.described(found) == "3 pairs from en (guessed; --languages): 3 to de"
    assert found.dataset().column_names == ["text", "text_pair", "language", "where"]


def test_blank_lines_keep_the_alignment_in_packed_files(tmp_path: Path) -> None:
    names = []
    for name, lines in (("en", ["", "one", "two"]), ("fr", ["", "un", "deux"])):
        names.append(str(tmp_path / f"a.{name}.gz"))
        with gzip.open(names[-1], "wt", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    found = translations.read([",".join(names)], Reading())
    assert list(zip(found.texts, found.translations, strict=True)) == [("one", "un"), ("two", "deux")]
    assert set(found.languages) == {"fr"}


def test_several_languages_of_a_table(tmp_path: Path) -> None:
    rows = [
        {"id": str(i), "de": f"Satz {i}", "en": f"sentence {i}", "fr": f"phrase {i}" if i else ""} for i in range(3)
    ]
    path = str(write_csv(tmp_path / "all.csv", rows))
    found = translations.read([path], Reading())
    assert (found.first, sorted(set(found.languages)), len(found)) == ("en", ["de", "fr"], 5)
    named = translations.read([path], Reading(), ["de", "en"])
    assert (named.first, set(named.languages), named.texts[0]) == ("de", {"en"}, "Satz 0")


def test_several_sources_each_with_its_language(tmp_path: Path) -> None:
    lines = write_jsonl(tmp_path / "b.jsonl", [{"en": "a bird", "tr": "bir kuş"}])
    found = translations.read([aligned(tmp_path, en=EN, de=DE), str(lines)], Reading())
    assert found.languages == ["de", "de", "de", "tr"]


def test_a_cell_with_both_languages(tmp_path: Path) -> None:
    rows = [{"id": "1", "translation": {"de": "ein Vogel", "en": "a bird"}}]
    found = translations.read([str(write_jsonl(tmp_path / "opus.jsonl", rows))], Reading())
    assert (found.texts, found.translations, found.languages) == (["a bird"], ["ein Vogel"], ["de"])


def test_what_is_wrong_is_one_message(tmp_path: Path) -> None:
    pair = aligned(tmp_path, en=EN, de=DE)
    short = aligned(tmp_path, en=EN, nl=DE[:-2])
    table = str(write_csv(tmp_path / "t.csv", [{"first": "a b", "second": "c d", "third": "e f"}]))
    lone = str(write_csv(tmp_path / "one.csv", [{"en": "a b", "score": "3"}]))
    blank = aligned(tmp_path, source=["a"], it=[" "])
    cases = [
        (short, [], r"not line-aligned: .*train.en 6, .*train.nl 4 lines"),
        (pair.split(",")[0], [], "texts of one language"),
        (f"{tmp_path}/train.en,{tmp_path}/train.dee", [], "train.dee: no such file"),
        (pair, ["en", "fr"], "--languages en,fr: .* has no fr; it has en, de"),
        (table, [], "which are languages is not clear"),
        (table, ["en", "de"], "there is no language column 'en'; the columns are first, second, third"),
        (table, ["first", "deutsch"], "there is no language column 'deutsch'"),
        (lone, [], "texts in one column: en"),
        (blank, [], "no pair of a text and its translation"),
    ]
    for spec, languages, message in cases:
        with pytest.raises(UserError, match=message):
            translations.read([spec], Reading(), languages)
