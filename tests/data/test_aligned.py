"""Texts and what is to be written for them: line-aligned files, texts with a tab between, a cell with two languages."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import write_csv, write_jsonl

from nlpkit import reporting
from nlpkit.data import readers, sources
from nlpkit.data.inputs import Reading, Wanted
from nlpkit.errors import UserError

EN = ["a dog runs", "a cat", "two men"]
DE = ["ein Hund rennt", "eine Katze", "zwei Männer"]
FR = ["un chien court", "un chat", "deux hommes"]


def write(folder: Path, files: Mapping[str, list[str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        content = "".join(f"{line}\n" for line in lines).encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def load(data: str | Path | None, *, labelled: bool = True, **more: Any) -> tuple[sources.LoadedData, str]:
    """The splits, and what was said."""
    reading = Reading(wanted=Wanted("pairs", labelled), **more.pop("reading", {}))
    with reporting.listening() as said:
        loaded = sources.load(data and str(data), reading=reading, **more)
    return loaded, "\n".join([*said.notes, *said.warnings])


def cells(loaded: sources.LoadedData, split: str, *columns: str) -> list[tuple[Any, ...]]:
    return list(zip(*(loaded.splits[split][name][:] for name in columns), strict=True))


# --- line-aligned files ---


def test_a_folder_with_a_file_per_language_and_split(tmp_path: Path) -> None:
    files = {
        f"{split}.{code}.gz": lines
        for split in ("train", "val")
        for code, lines in (("en", EN), ("de", DE), ("fr", FR))
    }
    loaded, said = load(write(tmp_path, {**files, "train.log": ["no data"], "README.md": ["# data"]}))
    assert list(loaded.splits) == ["train", "validation"]
    assert cells(loaded, "validation", "en", "de", "fr") == list(zip(EN, DE, FR, strict=True))
    assert loaded.where("train", 1) == f"{tmp_path / 'train.de.gz'} line 2"
    assert "read line by line beside one another: train.de.gz (de), train.en.gz (en), train.fr.gz (fr)" in said
    infos = loaded.source.files["train"]
    assert [Path(info.path).name for info in infos] == ["train.de.gz", "train.en.gz", "train.fr.gz"]
    assert len({info.sha256 for info in infos}) == 3


def test_folders_of_splits_with_a_file_per_side(tmp_path: Path) -> None:
    for split in ("train", "dev"):
        write(tmp_path / split, {"source.txt": EN, "target.txt": DE})
    loaded, _ = load(tmp_path)
    assert cells(loaded, "validation", "source", "target") == list(zip(EN, DE, strict=True))


def test_files_that_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"c.en": EN, "c.de": DE, "dev.en": EN[:1], "dev.de": DE[:1]})
    named = f"{tmp_path / 'c.en'},{tmp_path / 'c.de'}"
    loaded, _ = load(None, train_files=[named], validation_files=[f"{tmp_path / 'dev.en'},{tmp_path / 'dev.de'}"])
    assert loaded.splits["train"].column_names[:2] == ["en", "de"]  # as they are named
    assert cells(loaded, "validation", "en", "de") == [(EN[0], DE[0])]
    assert cells(load(named)[0], "train", "en", "de") == list(zip(EN, DE, strict=True))
    assert len(load(f"{tmp_path / 'c.*'}")[0].splits["train"]) == 3


def test_files_whose_names_tell_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"british.txt": EN, "bavarian.txt": DE})
    loaded, _ = load(f"{tmp_path / 'british.txt'},{tmp_path / 'bavarian.txt'}")
    assert cells(loaded, "train", "british", "bavarian") == list(zip(EN, DE, strict=True))


def test_numbered_parts_follow_one_another(tmp_path: Path) -> None:
    write(tmp_path, {"train.1.en": EN, "train.1.de": DE, "train.2.en": EN[:1], "train.2.de": DE[:1]})
    loaded, _ = load(tmp_path)
    assert cells(loaded, "train", "en", "de") == [*zip(EN, DE, strict=True), (EN[0], DE[0])]
    assert loaded.where("train", 3) == f"{tmp_path / 'train.2.de'} line 1"


def test_a_blank_line_is_an_empty_cell_of_its_row(tmp_path: Path) -> None:
    write(tmp_path, {"c.en": ["a", "", "", "d", ""], "c.de": ["x", "y", "", "z"]})
    loaded, said = load(f"{tmp_path / 'c.en'},{tmp_path / 'c.de'}")
    assert cells(loaded, "train", "en", "de") == [("a", "x"), ("", "y"), ("", ""), ("d", "z")]
    assert loaded.where("train", 3).endswith("c.en line 4")
    assert "1 blank line at the end is no row" in said


def test_what_ends_a_line_in_other_texts_ends_none_here(tmp_path: Path) -> None:
    (tmp_path / "c.en").write_bytes("a\u2028b\r\nc\x0cd\n".encode())
    (tmp_path / "c.de").write_bytes(b"x\r\ny")
    loaded, _ = load(f"{tmp_path / 'c.en'},{tmp_path / 'c.de'}")
    assert cells(loaded, "train", "en", "de") == [("a\u2028b", "x"), ("c\x0cd", "y")]


def test_files_of_other_lengths(tmp_path: Path) -> None:
    write(tmp_path, {"c.en": [*EN, "", "more"], "c.de": DE})
    with pytest.raises(UserError, match=r"not line-aligned: .*c\.en 5, .*c\.de 3 lines") as error:
        load(f"{tmp_path / 'c.en'},{tmp_path / 'c.de'}")
    assert f"{tmp_path / 'c.de'} ends first" in (error.value.hint or "")


def test_a_line_that_does_not_decode_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"c.en": EN})
    (tmp_path / "c.de").write_bytes(b"eins\nzwei M\xe4nner\ndrei\n")
    with pytest.raises(UserError, match=r"c\.de line 2: byte 0xe4 \(byte 7 of line 2\) is not utf-8"):
        load(f"{tmp_path / 'c.en'},{tmp_path / 'c.de'}")


def test_one_side_alone(tmp_path: Path) -> None:
    write(tmp_path, {"train.en": EN, "train.de": DE, "val.en": EN})
    with pytest.raises(UserError, match=r"val\.en: a text a line, and nothing that belongs to them"):
        load(tmp_path)
    with pytest.raises(UserError) as error:
        load(tmp_path / "train.en")
    assert f"{tmp_path / 'train.en'},{tmp_path / 'train.de'}" in (error.value.hint or "")
    assert len(load(tmp_path / "val.en", labelled=False)[0].splits["train"]) == 3  # as texts to write for


def test_a_folder_of_several_corpora(tmp_path: Path) -> None:
    write(tmp_path, {"a.en": EN, "a.de": DE, "b.en": EN, "b.fr": FR})
    with pytest.raises(UserError, match="no file is named after a split") as error:
        load(tmp_path)
    assert f"--data {tmp_path / 'a.de'},{tmp_path / 'a.en'} reads some line by line" in (error.value.hint or "")


def test_texts_to_answer_for_are_lines_whatever_their_name_ends_in(tmp_path: Path) -> None:
    write(tmp_path, {"val.en.gz": ["one\ttwo", "three"]})
    rows = readers.read_rows(tmp_path / "val.en.gz", Reading(wanted=Wanted("pairs")), on_error="keep")
    assert [row.values["text"] for row in rows] == ["one\ttwo", "three"]


# --- texts with a tab between ---


def test_two_texts_a_line_without_a_header(tmp_path: Path) -> None:
    write(tmp_path, {"tur.txt.gz": ["Hi.\tMerhaba.", "Run!\tKaç!", "Who?\tKim?"]})
    for data in (tmp_path, tmp_path / "tur.txt.gz"):
        loaded, said = load(data)
        assert cells(loaded, "train", "source", "target")[0] == ("Hi.", "Merhaba.")
        assert "tabs stand between texts, read as columns (--format tsv)" in said
        assert "names no columns: source, target (--columns)" in said
    named = load(tmp_path, reading={"columns": ("en", "tr")})[0]
    assert cells(named, "train", "en", "tr")[2] == ("Who?", "Kim?")


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        (["en\tde", "a dog\tein Hund"], ["en", "de"]),
        (["english\tgerman", "a dog runs\tein Hund rennt"], ["english", "german"]),
        (["article\tsummary", "a long one\tshort"], ["article", "summary"]),
        (["a dog runs\tein Hund rennt", "a cat\teine Katze"], ["source", "target"]),
        (["no\thayır", "yes\tevet"], ["source", "target"]),  # no is Norwegian too
        (["Go.\tGeh.\tCC-BY 2.0", "Hi.\tHallo!\tCC-BY 2.0"], ["source", "target", "column_3"]),
        (
            ["1276\tLet's try.\t5\tVersuchen wir's!", "1277\tI go.\t6\tIch gehe."],
            ["column_1", "source", "column_3", "target"],
        ),
    ],
)
def test_whether_the_first_row_names_the_columns(lines: list[str], columns: list[str], tmp_path: Path) -> None:
    loaded, _ = load(write(tmp_path, {"pairs.tsv": lines}))
    assert [name for name in loaded.splits["train"].column_names if not name.startswith("__")] == columns
    assert len(loaded.splits["train"]) == len(lines) - (columns == lines[0].split("\t"))


# --- a cell with a text in each language ---


def test_a_cell_with_a_text_in_each_language(tmp_path: Path) -> None:
    rows = [{"id": i, "translation": {"en": en, "de": de}} for i, (en, de) in enumerate(zip(EN, DE, strict=True))]
    spelled = [{"id": row["id"], "translation": str(row["translation"])} for row in rows]
    for path in (write_jsonl(tmp_path / "a.jsonl", rows), write_csv(tmp_path / "a.csv", spelled)):
        loaded, said = load(path)
        assert cells(loaded, "train", "en", "de") == list(zip(EN, DE, strict=True))
        assert "translation" not in loaded.splits["train"].column_names
        assert "read as a text in each language under 'translation'" in said


def test_a_cell_with_a_text_in_each_language_of_a_saved_data_set(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features({"translation": datasets.Translation(("en", "de")), "id": datasets.Value("int64")})
    rows = [{"translation": {"en": en, "de": de}, "id": 0} for en, de in zip(EN, DE, strict=True)]
    datasets.Dataset.from_list(rows, features=features).save_to_disk(tmp_path / "saved")
    loaded, said = load(tmp_path / "saved")
    assert cells(loaded, "train", "en", "de") == list(zip(EN, DE, strict=True))
    assert "read as a text in each language under 'translation': en, de" in said
    assert loaded.where("train", 2).endswith("train row 3")


def test_a_row_without_its_languages_stays_to_be_named(tmp_path: Path) -> None:
    lines = [{"translation": {"en": "a", "de": "x"}}] * 100 + [{"translation": [1]}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    loaded, said = load(tmp_path / "a.jsonl")
    assert cells(loaded, "train", "en", "de")[-1] == (None, None)
    assert "1 of 101 rows hold no texts by language in column 'translation'" in said
