"""The figures of vectors are those of scipy, scikit-learn, trec_eval and the evaluators of sentence-transformers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from nlpkit.metrics import intervals, paired, retrieval, similarity


def vectors(rows: int, seed: int, like: np.ndarray | None = None) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(rows, 12)).astype(np.float32)
    return made if like is None else (like + made).astype(np.float32)


def texts(prefix: str, rows: int) -> list[str]:
    return [f"{prefix}{i:03d}" for i in range(rows)]


def encoder(**known: np.ndarray) -> Any:
    """What the evaluators take for a model: the vector of each text, which is named after its place in an array."""
    import torch
    from sentence_transformers import util

    def encode(asked: list[str], convert_to_tensor: bool = False, **_: Any) -> Any:
        found = np.stack([known[text[0]][int(text[1:])] for text in asked])
        return torch.from_numpy(found) if convert_to_tensor else found

    def listed(asked: list[str], convert_to_numpy: bool = True, **given: Any) -> Any:
        return encode(asked, **given) if convert_to_numpy else [*torch.from_numpy(encode(asked))]

    card = SimpleNamespace(set_evaluation_metrics=lambda *_: None)
    return SimpleNamespace(
        encode=listed,
        encode_query=listed,
        encode_document=listed,
        similarity=util.cos_sim,
        similarity_fn_name="cosine",
        model_card_data=card,
    )


EACH: Any = ["cosine", "dot", "euclidean", "manhattan"]


@pytest.mark.slow
def test_pairs_with_a_score_have_the_figures_of_sentence_transformers() -> None:
    from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator

    first = vectors(60, 0)
    second, gold = vectors(60, 1, first), np.random.default_rng(2).random(60)
    theirs = EmbeddingSimilarityEvaluator(
        texts("a", 60), texts("b", 60), gold.tolist(), similarity_fn_names=EACH, write_csv=False
    )(encoder(a=first, b=second))
    ours = similarity.scored_pairs(first, second, gold).observed()
    for how in EACH:
        for metric in similarity.CORRELATIONS:
            assert ours[similarity.named(metric, how, "cosine")] == pytest.approx(theirs[f"{metric}_{how}"], abs=1e-6)


def test_angular_likeness_ranks_as_the_cosine_does_and_has_a_correlation_of_its_own() -> None:
    first = vectors(80, 3)
    second, gold = vectors(80, 4, first), np.random.default_rng(5).random(80)
    ours = similarity.scored_pairs(first, second, gold).observed()
    pairs = zip(first, second, strict=True)
    angles = [1 - np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / np.pi for a, b in pairs]
    assert ours["pearson_angular"] == pytest.approx(stats.pearsonr(angles, gold).statistic, abs=1e-6)
    assert ours["spearman_angular"] == pytest.approx(stats.spearmanr(angles, gold).statistic, abs=1e-6)


@pytest.mark.slow
def test_pairs_that_are_alike_or_not_have_the_figures_of_sentence_transformers() -> None:
    from sentence_transformers.sentence_transformer.evaluation import BinaryClassificationEvaluator

    first = vectors(70, 6)
    alike = np.random.default_rng(8).integers(0, 2, 70)
    second = vectors(70, 7, first * alike[:, None])
    theirs = BinaryClassificationEvaluator(
        texts("a", 70), texts("b", 70), alike.tolist(), similarity_fn_names=EACH, write_csv=False
    )(encoder(a=first, b=second))
    ours = similarity.labelled_pairs(first, second, alike).observed()
    names = {"average_precision": "ap", **{name: name for name in ("f1", "accuracy", "precision", "recall")}}
    for how in EACH:
        for metric, other in names.items():
            assert ours[similarity.named(metric, how, "cosine")] == pytest.approx(theirs[f"{how}_{other}"], abs=1e-6)
        for metric in ("f1_threshold", "accuracy_threshold"):
            sign = -1 if how in ("euclidean", "manhattan") else 1  # theirs are distances
            value = sign * theirs[f"{how}_{metric}"]
            assert ours[similarity.named(metric, how, "cosine")] == pytest.approx(value, abs=1e-5)


def test_scores_that_are_equal_are_on_one_side_of_a_threshold() -> None:
    scores, alike = np.array([0.9, 0.5, 0.5, 0.5, 0.1]), np.array([1, 1, 0, 1, 0])
    ours = similarity.decided(scores, alike).observed()
    assert ours["average_precision"] == pytest.approx(sk.average_precision_score(alike, scores))
    assert ours["roc_auc"] == pytest.approx(sk.roc_auc_score(alike, scores))
    assert (ours["f1"], ours["f1_threshold"]) == (pytest.approx(6 / 7), pytest.approx(0.3))


def test_no_pair_is_called_alike_where_that_is_right_most_often() -> None:
    scores, alike = np.array([0.9, 0.8, 0.7, 0.1]), np.array([0, 0, 0, 1])
    ours = similarity.decided(scores, alike).observed()
    assert ours["accuracy"] == 0.75
    assert ours["accuracy_threshold"] > 0.9


def test_pairs_that_are_drawn_anew_are_judged_as_rows_that_stand_there_twice() -> None:
    scores, alike = np.random.default_rng(9).random(30).round(1), np.random.default_rng(10).integers(0, 2, 30)
    drawn = np.random.default_rng(11).integers(0, 30, 30)
    weights = np.bincount(drawn, minlength=30).astype(float)
    ours = similarity.decided(scores, alike).figures(weights[None])
    twice = similarity.decided(scores[drawn], alike[drawn]).observed()
    assert ours["average_precision"][0] == pytest.approx(sk.average_precision_score(alike[drawn], scores[drawn]))
    for name in ("f1", "accuracy", "roc_auc", "precision", "recall"):
        assert ours[name][0] == pytest.approx(twice[name])


@pytest.mark.slow
def test_triplets_have_the_accuracy_of_sentence_transformers() -> None:
    from sentence_transformers.sentence_transformer.evaluation import TripletEvaluator

    anchors = vectors(50, 12)
    positives, negatives = vectors(50, 13, anchors * 0.4), vectors(50, 14)
    model = encoder(a=anchors, p=positives, n=negatives)
    for margin in (0.0, 0.3):
        a, p, n = (texts(name, 50) for name in "apn")
        margins: Any = dict.fromkeys(EACH, margin)
        theirs = TripletEvaluator(a, p, n, similarity_fn_names=EACH, margin=margins, write_csv=False)(model)
        ours = similarity.triplets(anchors, positives, negatives[:, None], margin=margin).observed()
        for how in EACH:
            assert ours[similarity.named("accuracy", how, "cosine")] == pytest.approx(theirs[f"{how}_accuracy"])


def test_a_triplet_is_right_when_its_positive_is_above_each_of_its_negatives() -> None:
    anchor, near, far = np.eye(3, dtype=np.float32)[None, 0], np.array([[2.0, 1, 0]]), np.array([[0.0, 1, 0]])
    nearer = np.array([[1.0, 0.1, 0]])
    missing = np.full_like(far, np.nan)
    assert similarity.triplets(anchor, near, np.stack([far, missing], axis=1)).observed()["accuracy"] == 1
    assert similarity.triplets(anchor, near, np.stack([far, nearer], axis=1)).observed()["accuracy"] == 0


@pytest.mark.slow
def test_retrieval_has_the_figures_of_sentence_transformers() -> None:
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    documents = vectors(300, 15)
    queries = vectors(25, 16, documents[:25])
    rng = np.random.default_rng(17)
    relevant = [{i, *rng.integers(0, 300, 3).tolist()} for i in range(25)]
    theirs = InformationRetrievalEvaluator(
        {f"q{i:03d}": f"q{i:03d}" for i in range(25)},
        {f"d{i:03d}": f"d{i:03d}" for i in range(300)},
        {f"q{i:03d}": {f"d{j:03d}" for j in found} for i, found in enumerate(relevant)},
        precision_recall_at_k=[1, 10, 100],
        write_csv=False,
    )(encoder(q=queries, d=documents))
    judged = [dict.fromkeys(found, 1.0) for found in relevant]
    ours = retrieval.evidence(retrieval.search(queries, documents), judged).observed()
    for name in ("ndcg@10", "mrr@10", "map@100", *(f"recall@{cut}" for cut in (1, 10, 100))):
        assert ours[name] == pytest.approx(theirs[f"cosine_{name}"], abs=1e-9)
    assert ours["precision@1"] == pytest.approx(theirs["cosine_precision@1"])


def graded() -> tuple[retrieval.Ranking, list[dict[int, int]], dict[str, Any], dict[str, Any]]:
    """A ranking of 200 documents for 20 queries and grades from -1 to 2, and both by id, as other tools take them."""
    documents, rng = vectors(200, 18), np.random.default_rng(19)
    queries = vectors(20, 20, documents[:20])
    others = [rng.integers(0, 200, (4, 2)).tolist() for _ in range(20)]
    grades = [{j: grade - 1 for grade, of_grade in enumerate(each) for j in of_grade} for each in others]
    judged = [known | {i: 2} for i, known in enumerate(grades)]
    ranking = retrieval.search(queries, documents)
    run = {
        f"q{i}": {f"d{j}": float(score) for j, score in zip(places, scores, strict=True)}
        for i, (places, scores) in enumerate(zip(ranking.documents.tolist(), ranking.scores.tolist(), strict=True))
    }
    return ranking, judged, run, {f"q{i}": {f"d{j}": grade for j, grade in of.items()} for i, of in enumerate(judged)}


def test_graded_retrieval_has_the_figures_of_trec_eval() -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    ranking, judged, run, known = graded()
    measures = {"ndcg_cut.10", "map_cut.100", "recall.1,10,100", "P.1"}
    theirs = pytrec_eval.RelevanceEvaluator(known, measures).evaluate(run)
    ours = retrieval.per_query(ranking, judged)
    names = {"ndcg@10": "ndcg_cut_10", "map@100": "map_cut_100", "precision@1": "P_1"}
    names |= {f"recall@{cut}": f"recall_{cut}" for cut in (1, 10, 100)}
    for name, other in names.items():
        assert ours[name] == pytest.approx([theirs[f"q{i}"][other] for i in range(20)], abs=1e-9)


def test_graded_retrieval_has_the_figures_of_ranx() -> None:
    ranx = pytest.importorskip("ranx")
    ranking, judged, run, known = graded()
    positive = {query: {name: grade for name, grade in of.items() if grade > 0} for query, of in known.items()}
    names = ("ndcg@10", "mrr@10", "map@100", "recall@10", "precision@1")
    theirs = ranx.evaluate(ranx.Qrels(positive), ranx.Run(run), list(names))
    ours = retrieval.evidence(ranking, judged).observed()
    for name in names:
        assert ours[name] == pytest.approx(theirs[name], abs=1e-9)


def test_grades_are_the_gains_of_ndcg() -> None:
    ranking = retrieval.Ranking(np.array([[3, 0, 1]]), np.array([[0.9, 0.5, 0.1]]))
    (found,) = retrieval.per_query(ranking, [{0: 3.0, 1: 1.0, 2: 0.0, 3: -1.0}])["ndcg@10"]
    assert found == pytest.approx((3 / np.log2(3) + 1 / np.log2(4)) / (3 + 1 / np.log2(3)))


def test_hits_that_nobody_judged_are_counted() -> None:
    ranking = retrieval.Ranking(np.array([[3, 0, 4, 2]]), np.zeros((1, 4)))
    assert retrieval.per_query(ranking, [{0: 1.0, 2: 0.0}])["unjudged@10"] == [0.5]


@pytest.mark.parametrize("how", similarity.SIMILARITIES)
def test_search_finds_what_sorting_all_likenesses_does(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "DOCUMENTS_AT_ONCE", 16)
    monkeypatch.setattr(retrieval, "QUERIES_AT_ONCE", 4)
    documents, queries = vectors(50, 21), vectors(9, 22)
    documents[30] = documents[3]  # of two that are alike the first stands above
    ranking = retrieval.search(queries, documents, how, depth=20)
    for i, query in enumerate(queries):
        likeness = similarity.of_pairs(np.broadcast_to(query, documents.shape), documents, how)
        likeness[30] = likeness[3]
        assert ranking.documents[i].tolist() == np.argsort(-likeness, kind="stable")[:20].tolist()


@pytest.mark.slow
def test_translations_have_the_accuracy_of_sentence_transformers() -> None:
    from sentence_transformers.sentence_transformer.evaluation import TranslationEvaluator

    first = vectors(60, 23)
    second = vectors(60, 24, first * 0.5)
    theirs = TranslationEvaluator(texts("a", 60), texts("b", 60), write_csv=False)(encoder(a=first, b=second))
    each = np.arange(60)
    ours = retrieval.translations(first, second, (each, each)).observed()
    assert ours["accuracy_forward"] == pytest.approx(theirs["src2trg_accuracy"])
    assert ours["accuracy_backward"] == pytest.approx(theirs["trg2src_accuracy"])
    assert ours["accuracy"] == pytest.approx(theirs["mean_accuracy"])


def test_a_text_of_the_same_language_that_is_nearer_than_the_translation_is_counted() -> None:
    # the second texts all point up beside their meaning: each is nearer to another second text than to its translation
    first = np.eye(4, dtype=np.float32)
    second = first + 3 * np.array([0, 0, 0, 1], dtype=np.float32)
    each = np.arange(4)
    assert retrieval.translations(first, first, (each, each)).observed()["same_language"] == 0
    assert retrieval.translations(first[:3], second[:3], (each[:3], each[:3])).observed()["same_language"] == 0.5


def test_any_of_several_equal_translations_is_right() -> None:
    first, second = np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32)[[0, 0, 2]]
    ours = retrieval.translations(first[[0, 0, 2]], second, (np.array([0, 1, 2]), np.array([0, 0, 2]))).observed()
    assert ours["accuracy_forward"] == 1
    assert ours["accuracy_backward"] == pytest.approx(2 / 3)  # two texts, of which one stands first


def test_retrieval_figures_have_intervals_and_a_paired_test() -> None:
    documents = vectors(80, 25)
    judged = [{i: 1.0} for i in range(40)]
    good, bad = (
        retrieval.evidence(retrieval.search(vectors(40, 26, documents[:40] * scale), documents), judged)
        for scale in (0.8, 0.3)
    )
    found = intervals.of(good)
    low, high = found["ndcg@10"]
    assert low < good.observed()["ndcg@10"] < high
    assert set(found) == set(retrieval.METRICS)
    assert paired.differences(good, bad)["ndcg@10"].told_apart
    assert not paired.differences(good, good)["ndcg@10"].told_apart
