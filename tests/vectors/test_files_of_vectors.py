"""Files of vectors: what is written is read back, with what it was made with; what is of another kind is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpkit.errors import UserError
from nlpkit.vectors import codes, formats
from nlpkit.vectors.made import KEY, Made
from nlpkit.vectors.stored import read_vectors
from nlpkit.vectors.unfinished import Chunk, Unfinished

ROWS, WIDTH, BROKEN = 300, 20, 5
CASES = [(suffix, dtype) for suffix in formats.SUFFIXES for dtype in codes.STORED if dtype != "binary"]
CASES += [(".parquet", "binary"), (".npy", "binary"), (".safetensors", "binary")]


def unit(rows: int = ROWS, width: int = WIDTH) -> np.ndarray:
    made = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def made(dtype: Any = "fp32", **changes: Any) -> Made:
    values: dict[str, Any] = {
        "model": "encoder",
        "model_sha256": "ab",
        "pooling": "mean",
        "layers": 1,
        "normalized": True,
        "prompt": "query: ",
        "width": WIDTH,
        "dtype": dtype,
        "scale": codes.scale_of(float(np.abs(unit()).max())) if dtype == "int8" else None,
        "max_length": 8,
        "long_text": "truncate",
        "similarity": "cosine",
        "version": "1",
        "rows": ROWS,
        "broken": (BROKEN,),
    }
    return Made(**{**values, **changes})


def write(path: Path, of: Made) -> np.ndarray:
    """Write a file a few rows at a time; returns what stands in it."""
    vectors = unit()
    vectors[BROKEN] = np.nan
    stored = codes.encode(vectors, of.dtype, of.scale)

    def blocks() -> Iterator[formats.Block]:
        for start in range(0, ROWS, 128):
            rows = [
                # the first value of the column of texts is in the second block
                {"id": i, "text": "x" if i > 200 else None, "vector_error": "bad" if i == BROKEN else None}
                for i in range(start, min(start + 128, ROWS))
            ]
            yield rows, stored[start : start + 128]

    formats.write(path, blocks, of, ("vector", "vector_error"), overwrite=True)
    return codes.decode(stored, of.dtype, WIDTH, of.scale)


@pytest.mark.parametrize(("suffix", "dtype"), CASES)
def test_what_is_written_is_read_back(suffix: str, dtype: Any, tmp_path: Path) -> None:
    path = tmp_path / f"vectors{suffix}"
    wanted = write(path, made(dtype))
    found = read_vectors(path)
    assert found.made == made(dtype) and found.broken.nonzero()[0].tolist() == [BROKEN]
    floats = found.floats()
    assert np.isnan(floats[BROKEN]).all()
    np.testing.assert_array_equal(np.delete(floats, BROKEN, 0), np.delete(wanted, BROKEN, 0))
    np.testing.assert_array_equal(found.floats(10, 20), wanted[10:20])


def test_other_programs_read_the_files(tmp_path: Path) -> None:
    import pyarrow.parquet as pq
    from safetensors.numpy import load_file

    for name in ("v.parquet", "v.npy", "v.safetensors"):
        wanted = write(tmp_path / name, made())
    table = pq.read_table(tmp_path / "v.parquet")
    assert table["id"].to_pylist() == list(range(ROWS)) and table["text"].to_pylist()[-1] == "x"
    assert table["vector_error"].to_pylist()[BROKEN] == "bad" and table["vector"].type.list_size == WIDTH
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), wanted)
    np.testing.assert_array_equal(load_file(tmp_path / "v.safetensors")["vectors"], wanted)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_sha256": "cd", "model": "other"}, "model ab and cd"),
        ({"width": 10}, "dimensions 20 and 10"),
        ({"pooling": "cls"}, "pooling mean and cls"),
        ({"normalized": False}, "normalization True and False"),
    ],
)
def test_vectors_of_another_kind_are_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    write(path, made())
    assert len(read_vectors(path, made(prompt="passage: ", dtype="fp16"))) == ROWS
    with pytest.raises(UserError) as error:
        read_vectors(path, made(**changes))
    assert said in str(error.value)


def test_vectors_without_a_record_or_with_that_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    write(path, made())
    note = formats.beside(path)
    record = json.loads(note.read_text())
    note.write_text(json.dumps({"nlpkit": {**record["nlpkit"], "rows": 7}}))
    with pytest.raises(UserError, match="its record tells of 7"):
        read_vectors(path)
    note.write_text("{}")
    with pytest.raises(UserError, match="does not say what its vectors were made with"):
        read_vectors(path)
    note.unlink()
    with pytest.raises(UserError, match="is missing"):
        read_vectors(path)
    (tmp_path / "v.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(UserError, match="cannot be read as vectors"):
        read_vectors(tmp_path / "v.safetensors")


def test_one_scale_keeps_products_and_the_loss_is_measured() -> None:
    vectors = unit(200, 64)
    scale = codes.scale_of(float(np.abs(vectors).max()))
    stored = codes.encode(vectors, "int8", scale).astype(np.int32)
    np.testing.assert_allclose(stored @ stored.T * scale**2, vectors @ vectors.T, atol=0.02)
    int8, binary = codes.loss(vectors, "int8", scale), codes.loss(vectors, "binary")
    assert int8 is not None and binary is not None
    assert int8.correlation > 0.999 > binary.correlation and int8.overlap > 0.9 > binary.overlap
    assert codes.loss(vectors[:11], "int8", scale) is None
    # equal rows have no nearest among one another that codes could keep
    assert codes.loss(np.repeat(vectors, 20, axis=0), "int8", scale) == int8
    assert codes.loss(np.repeat(vectors[:1], 50, axis=0), "int8", scale) is None
    np.testing.assert_array_equal(codes.decode(codes.encode(vectors, "binary"), "binary", 64) > 0, vectors > 0)


def test_what_a_killed_process_left_is_cut_off(tmp_path: Path) -> None:
    unfinished, vectors = Unfinished(tmp_path / "v.npy"), unit()
    with unfinished:
        unfinished.begin({"model": "a"})
        unfinished.add(Chunk(2, 0, {0: "bad", 1: "bad"}), None)  # before it is known how wide vectors are
        unfinished.add(Chunk(ROWS, WIDTH, {BROKEN: "bad"}), vectors)
        with (unfinished.folder / "vectors.f32").open("ab") as file:
            file.write(b"half of a chunk")
        with (unfinished.folder / "chunks.jsonl").open("a") as log:
            log.write('{"rows": 3')
    with Unfinished(tmp_path / "v.npy") as again:
        assert again.is_there and again.settings() == {"model": "a"}
        assert again.settle() == ROWS + 2
        found = again.vectors()
        assert np.isnan(found[:2]).all() and [i for i, why in enumerate(again.errors()) if why] == [0, 1, BROKEN + 2]
        np.testing.assert_array_equal(found[2:], vectors)
        with pytest.raises(UserError, match="another process writes the same --output"), Unfinished(tmp_path / "v.npy"):
            pass
        again.discard()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".parquet", ".jsonl", ".csv"])
@pytest.mark.parametrize(
    "forged",
    [
        {"scale": float("nan")},
        {"scale": "x"},
        {"scale": -1.0},
        {"rows": -1},
        {"rows": ROWS - 1},
        {"rows": ROWS + 1},
        {"rows": 10**15},
        {"width": 10**15},
        {"width": WIDTH - 1},
        {"width": True},
        {"broken": [ROWS]},
        {"broken": "x"},
        {"column": 3},
        {"column": "text"},
        {"dtype": "fp16", "scale": None},
        {"dtype": "binary", "scale": None},
        {"prompt": 1},
    ],
)
def test_a_forged_record_is_refused_in_one_message(suffix: str, forged: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / f"vectors{suffix}"
    true = made("int8")
    write(path, true)
    _forge(path, {**true.record(), **forged})
    if forged == {"column": "text"} and suffix in (".npy", ".safetensors"):
        assert len(read_vectors(path)) == ROWS  # these have no columns
        return
    if "fp16" in forged.values() and suffix in formats.TEXT:
        return  # text says nothing of types
    with pytest.raises(UserError) as refused:
        read_vectors(path)
    assert str(path.name) in str(refused.value)


def _forge(path: Path, record: dict[str, Any]) -> None:
    """Put another record into a file of vectors."""
    text = json.dumps(record)
    if path.suffix == ".safetensors":
        content = path.read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:end])
        header["__metadata__"] = {KEY: text}
        new = json.dumps(header).encode()
        path.write_bytes(len(new).to_bytes(8, "little") + new + content[end:])
    elif path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        pq.write_table(table.replace_schema_metadata({KEY: text}), path)
    else:
        formats.beside(path).write_text(json.dumps({KEY: record}))


@pytest.mark.parametrize("content", ["[]", "7", '{"nlpkit": ' + '{"a":' * 5_000, "{}", '{"nlpkit": []}'])
def test_a_record_beside_that_is_none_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.npy"
    write(path, made())
    formats.beside(path).write_text(content)
    with pytest.raises(UserError, match=r"vectors\.npy"):
        read_vectors(path)
