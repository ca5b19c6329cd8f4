"""What explanations cost and how faithful they are: ours, captum's own, LIME's and SHAP's, on the same sentences.

Every side is asked for the same sentences in turn, one thread, and judged by the same two figures, tokens left out.
Seconds are of the CPU. LIME and SHAP take part where they are installed; they explain words, by the pipeline of
Transformers, and a token has the score of its word.

    python benchmarks/explain.py RUN --texts validation.parquet --sentences 30
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")


def texts_of(path: Path, least: int, most: int, count: int) -> list[str]:
    """The first sentences of a parquet file with so many words."""
    import pyarrow.parquet as pq

    texts = pq.read_table(path, columns=["text"])["text"].to_pylist()
    return [text for text in texts if least <= len(text.split()) <= most][:count]


def main() -> None:
    """Ask every side for every sentence, by turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=30)
    parser.add_argument("--words", type=int, nargs=2, default=[10, 25])
    arguments = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    from nlpkit.explaining import faithfulness
    from nlpkit.explaining.methods import METHODS
    from nlpkit.explaining.variants import Variants
    from nlpkit.inference.predictor import TrainedModelOptions, open_predictor
    from nlpkit.tasks.roles import Explainable

    options = TrainedModelOptions(model=arguments.run, device="cpu", threads=1)
    predictor = open_predictor(options, Explainable, "explain", exported=False)
    sides: dict[str, Callable[[Variants, str], np.ndarray]] = {
        f"nlpkit {name}": (lambda variants, text, name=name: METHODS[name].function(variants, 0)) for name in METHODS
    }
    sides |= captum_sides() | peers(arguments.run)
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in [*sides, "(random)"]}
    for number, text in enumerate(texts_of(arguments.texts, *arguments.words, arguments.sentences)):
        ((_, computed),) = predictor.computed([(None, {"text": [text]})])
        (question,) = predictor.task.questions(predictor.tokenizer, {"text": text}, computed.outputs)
        names = list(sides)[number % len(sides) :] + list(sides)[: number % len(sides)]  # no side is always first
        for name in names:
            variants = Variants(predictor, question, question.readings[0], "tokens")
            start = time.process_time()
            scores = sides[name](variants, text)
            seconds = time.process_time() - start
            told = faithfulness.measured(variants, scores)
            found[name].append((told.comprehensiveness, told.sufficiency, seconds))
        drawn = faithfulness.of_random(variants, number, 5)
        found["(random)"].append((drawn.comprehensiveness, drawn.sufficiency, 0.0))
    ours = np.array(found["nlpkit erasure"])
    print(f"{len(ours)} sentences; CPU seconds: median (range); ratio to nlpkit erasure: median (range)")
    print(f"{'side':34} {'compr.':>7} {'suff.':>7}  seconds              ratio")
    for name, figures in sorted(found.items(), key=lambda item: -np.mean(np.array(item[1])[:, 0])):
        values = np.array(figures)
        seconds, ratios = values[:, 2], values[:, 2] / ours[:, 2]
        spread = f"{np.median(seconds):6.3f} ({seconds.min():.3f} to {seconds.max():.3f})"
        ratio = f"{np.median(ratios):6.2f} ({ratios.min():.2f} to {ratios.max():.2f})"
        print(f"{name:34} {values[:, 0].mean():7.3f} {values[:, 1].mean():7.3f}  {spread:21} {ratio}")


def captum_sides() -> dict[str, Callable[..., np.ndarray]]:
    """What captum's own classes are used for in its tutorials: 50 steps on the embedding layer."""
    from captum.attr import LayerIntegratedGradients

    def layer_integrated_gradients(variants: object, text: str) -> np.ndarray:
        import torch

        predictor, label = variants.predictor, variants.question.target["label"]  # type: ignore[attr-defined]
        model, ids = predictor.model, variants.batch["input_ids"]  # type: ignore[attr-defined]
        baseline = ids.clone()
        baseline[0, 1:-1] = predictor.tokenizer.pad_token_id
        method = LayerIntegratedGradients(lambda x: model(input_ids=x).logits.softmax(-1), model.get_input_embeddings())
        with torch.enable_grad():
            given = method.attribute(ids, baselines=baseline, target=label, n_steps=50, internal_batch_size=10)
        return variants.of_units(given[0].sum(-1).detach().double().numpy())  # type: ignore[attr-defined]

    return {"captum LayerIntegratedGradients 50": layer_integrated_gradients}


def peers(run: str) -> dict[str, Callable[..., np.ndarray]]:
    """LIME and SHAP as their own pages use them, where they are installed."""
    from transformers import pipeline

    classify = pipeline("text-classification", model=run, top_k=None, device="cpu")
    names = list(classify.model.config.id2label.values())
    sides: dict[str, Callable[..., np.ndarray]] = {}

    def probabilities(texts: list[str]) -> np.ndarray:
        given = classify(list(texts), batch_size=32)
        return np.array([[{one["label"]: one["score"] for one in row}[name] for name in names] for row in given])

    def of_words(variants: object, places: list[tuple[int, int, float]]) -> np.ndarray:
        words = {position: word for word in variants.reading.words for position in word.positions}  # type: ignore[attr-defined]
        scores = []
        for (position,) in variants.units:  # type: ignore[attr-defined]
            word = words[position]
            scores.append(next((score for start, end, score in places if start <= word.start < end), 0.0))
        return np.array(scores)

    try:
        from lime.lime_text import LimeTextExplainer
    except ImportError:
        print("lime is not installed: left out")
    else:

        def lime(variants: object, text: str) -> np.ndarray:
            label = variants.question.target["label"]  # type: ignore[attr-defined]
            given = LimeTextExplainer(class_names=names, bow=False).explain_instance(
                text, probabilities, labels=[label], num_samples=1_000, num_features=len(text.split())
            )
            indexed = given.domain_mapper.indexed_string
            places = [
                (int(start), int(start) + len(indexed.word(i)), score)
                for i, score in given.local_exp[label]
                for start in np.atleast_1d(indexed.string_position(i))
            ]
            return of_words(variants, places)

        sides["lime 1000"] = lime
    try:
        import shap
    except ImportError:
        print("shap is not installed: left out")
    else:
        explainer = shap.Explainer(
            probabilities, shap.maskers.Text(classify.tokenizer), output_names=names, silent=True
        )

        def partition(variants: object, text: str) -> np.ndarray:
            label = variants.question.target["label"]  # type: ignore[attr-defined]
            given, places, start = explainer([text]), [], 0
            for piece, score in zip(given.data[0], given.values[0][:, label], strict=True):
                places.append((start, start + len(piece), float(score)))
                start += len(piece)
            return of_words(variants, places)

        sides["shap Partition over a pipeline"] = partition
    return sides


if __name__ == "__main__":
    main()
