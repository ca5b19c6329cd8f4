# Made by `make reference` of the options of all commands; not to be edited.
"""nlpkit: check data, fine-tune, measure and use encoder models.

>>> import nlpkit
>>> report = nlpkit.finetune("cls", data="reviews.csv", output="runs/reviews")  # doctest: +SKIP
>>> report.metrics["validation"]["accuracy"]  # doctest: +SKIP
>>> nlpkit.Predictor(report.path).predict(["What a film!"])  # doctest: +SKIP

There is a function for each command (`dir(nlpkit)`), and `data` may be a DataFrame, a Dataset, a list of dicts or a
path. `docs/reference/python.md` tells all of it. A command is a module of `nlpkit.recipes` with a `Config` and a `run`."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias, overload

from nlpkit.api.predictor import Predictor as _Predictor
from nlpkit.api.runs import open_run as open_run
from nlpkit.errors import NlpkitError as NlpkitError
from nlpkit.errors import RunError as RunError
from nlpkit.errors import UserError as UserError
from nlpkit.reporting import Report as Report

__version__: str

class _Frame(Protocol):
    @property
    def columns(self) -> Any: ...

class _Dataset(Protocol):
    @property
    def column_names(self) -> Any: ...

# a path or name, or rows: docs/reference/python.md
Data: TypeAlias = (
    str
    | PathLike[str]
    | _Frame
    | _Dataset
    | Mapping[str, Any]
    | Sequence[Mapping[str, Any]]
    | Sequence[str | PathLike[str]]
    | tuple[Sequence[Any], Sequence[Any]]
)

def load(run: str | PathLike[str]) -> Any:
    """Open the model of a run as the transformers model that it is, with its head, in evaluation mode.

    A run whose layers differ in width, or have lost attention heads, opens by this call only; for all others it does
    what `from_pretrained` of the right class does. The tokenizer opens with `AutoTokenizer.from_pretrained(run)`.

    Args:
        run: run folder, model folder or hub name.

    Returns:
        A `transformers.PreTrainedModel` in float32 on the CPU; of a folder that was exported to ONNX what is called
        like one, on tensors, and answers alike, but whose weights cannot be changed
        (`nlpkit.models.onnx.OnnxModel`).

    Raises:
        nlpkit.errors.UserError: there is no such model, or it cannot be opened.
    """

class Predictor(_Predictor):
    """A trained model that answers: opened once, for any task that nlpkit knows, whatever it runs on.

    Of a run that was exported to ONNX no weights of torch are read. Threads may share one: their calls take turns.

    >>> with nlpkit.Predictor("runs/reviews") as predictor:  # doctest: +SKIP
    ...     predictor.predict(["What a film!", "I left after ten minutes."])
    ['positive', 'negative']

    Args:
        run: run folder, model folder or hub name.
        verbose: let the libraries say what they say unasked.
        keywords: options of `nlpkit.predict` about the model, the device and the answers, which stand below.

    Raises:
        UserError: the model cannot be opened, or an option is wrong.

    Options:
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, sentence-embedding, zero-shot-by-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, sentence-embedding, zero-shot-by-embedding.
        all_scores: Give the score of every label: as one entry, or as columns, one for each label. For
            text-classification, zero-shot-classification, zero-shot-by-embedding.
        min_score: Give no answer below this score. Default: give every answer. For text-classification,
            token-classification, question-answering, zero-shot-classification, zero-shot-by-embedding.
        abstain_label: What stands for an answer below min_score or min_margin. Default: nothing. (only
            with min_score or min_margin) For text-classification, zero-shot-classification,
            zero-shot-by-embedding, question-answering.
        min_margin: Give no answer whose score is less than this above that of the next label. Default:
            give every answer. For text-classification, zero-shot-classification,
            zero-shot-by-embedding.
        aggregation: Tag of a word from its tokens: the first, their average, or the surest. For
            token-classification.
        top_k: Masked LM: candidates for each mask. For fill-mask, text-generation,
            text2text-generation.
        hint_column: Masked LM: column of such hints. For fill-mask.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        doc_stride: QA: tokens that windows of a long context share. Default: as trained, or 128. For
            question-answering.
        max_answer_length: QA: most tokens per answer. Default: as trained, or 30. For
            question-answering.
        null_threshold: QA: no answer where its score is more than this above the best answer's (a
            larger value answers more). Default: as tuned in training; a model from elsewhere always
            answers. For question-answering.
        n_best: QA: answers to each question, best first. Default: 1 shown, 5 in files and JSON. For
            question-answering.
        max_new_tokens: Tokens that are written at most. Default: the model's, else 128. For
            text-generation, text2text-generation.
        temperature: Draw tokens; below 1 the likely ones more often. 0: always the most likely one. For
            text-generation, text2text-generation.
        top_p: Draw one of those with this probability together. For text-generation,
            text2text-generation.
        min_p: Draw one with at least this share of the best one's probability. For text-generation,
            text2text-generation.
        typical_p: Draw one of typical surprise, of those with this probability together. For
            text-generation, text2text-generation.
        beams: Continuations followed side by side, for the most likely text. For text-generation,
            text2text-generation.
        length_penalty: Beams: above 0 favours longer texts, below 0 shorter ones. For text-generation,
            text2text-generation.
        repetition_penalty: Make tokens that stand there less likely (1.2). For text-generation,
            text2text-generation.
        no_repeat_ngram: No N tokens in a row come twice; 0: any may. For text-generation,
            text2text-generation.
        sequences: Texts for each prompt. For text-generation, text2text-generation.
        stop: Text that ends the writing, and is left out (repeatable). For text-generation,
            text2text-generation.
        seed: Seed of what is drawn. For text-generation, text2text-generation.
        show_probabilities: Show how likely each token was. For text-generation, text2text-generation.
        runners_up: Tokens listed beside each that was written. (only with show_probabilities) For
            text-generation, text2text-generation.
        prefix: Text that stands before each prompt. For text-generation, text2text-generation.
        chat: Each prompt is what a user says, in the model's chat template. For text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all. For sentence-embedding.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        batch_size: Inputs per forward pass.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        shards: Answer each file of input, a pattern or a folder, into one of its own in the folder
            output. Default: when input names several and output a folder.
        jobs: Processes, each with the model and its part of the cores; on ray actors. Default: this
            one; on ray one for each node.
        engine: What runs them: this machine, or a Ray cluster. Default: processes.
        ray_address: Address of the cluster. Default: RAY_ADDRESS, else this machine. (only with engine
            ray)
        retries: How often a shard is tried again whose process died. (only with shards)
        output_format: Format of the files in the folder output. Default: predict: as the shard, else
            jsonl; embed: parquet. (only with shards)
    """

    def __init__(
        self,
        run: str | PathLike[str],
        *,
        text_column: str | None = None,
        text_pair_column: str | None = None,
        all_scores: Literal['columns'] | bool = False,
        min_score: float | None = None,
        abstain_label: str | None = None,
        min_margin: float | None = None,
        aggregation: Literal['first', 'average', 'max'] = 'first',
        top_k: int = 5,
        hint_column: str | None = None,
        question_column: str | None = None,
        context_column: str | None = None,
        doc_stride: int | None = None,
        max_answer_length: int | None = None,
        null_threshold: float | None = None,
        n_best: int | None = None,
        max_new_tokens: int | None = None,
        temperature: float = 0.0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        typical_p: float = 1.0,
        beams: int = 1,
        length_penalty: float = 1.0,
        repetition_penalty: float = 1.0,
        no_repeat_ngram: int = 0,
        sequences: int = 1,
        stop: Sequence[str] | str = ...,
        seed: int = 42,
        show_probabilities: bool = False,
        runners_up: int = 3,
        prefix: str = '',
        chat: bool = False,
        prefix_column: str | None = None,
        source_language: str | None = None,
        target_language: str | None = None,
        labels: Sequence[str] | str = ...,
        labels_file: str | PathLike[str] | None = None,
        template: str = 'This example is {}.',
        multi_label: bool = False,
        threshold: float = 0.5,
        shortlist: int | None = None,
        embedder: str | PathLike[str] | None = None,
        pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
        layers: int | None = None,
        normalize: bool | None = None,
        prompt: str | None = None,
        prompt_name: str | None = None,
        dims: int | None = None,
        device: str = 'auto',
        precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
        threads: int | None = None,
        model_revision: str | None = None,
        tokenizer: str | PathLike[str] | None = None,
        allow_pickle: bool = False,
        trust_remote_code: bool = False,
        task: str | None = None,
        batch_size: int = 32,
        max_length: int | None = None,
        shards: bool = False,
        jobs: int | None = None,
        engine: Literal['processes', 'ray'] | None = None,
        ray_address: str | None = None,
        retries: int = 3,
        output_format: str | None = None,
        verbose: bool = False,
    ) -> None:
        ...

@overload
def finetune(
    task: Literal['cls', 'text-classification'],
    data: Data | None = None,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    few_shot: bool = False,
    model: str | PathLike[str] = 'minilm',
    epochs: float = 3.0,
    learning_rate: float = 5e-05,
    baseline: bool | Sequence[Literal['logistic', 'svm', 'bayes', 'ridge', 'word2vec', 'lstm', 'cnn', 'all']] | str | Literal['logistic', 'svm', 'bayes', 'ridge', 'word2vec', 'lstm', 'cnn', 'all'] = False,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    dry_run: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    cv: int | None = None,
    heads: Sequence[Literal['logistic', 'knn', 'mlp']] | str | Literal['logistic', 'knn', 'mlp'] = ...,
    label_texts: str | PathLike[str] | None = None,
    few_shot_curve: Sequence[int] | str | int = ...,
    label_next: str | PathLike[str] | None = None,
    label_next_rows: int = 10,
    calibrate: bool = True,
    text_pair_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    max_length: int | None = None,
    label_delimiter: str | None = None,
    label_names: Sequence[str] | str = ...,
    problem: Literal['auto', 'binary', 'multi-class', 'multi-label', 'regression', 'relevance'] = 'auto',
    threshold: float = 0.5,
    long_text: Literal['truncate', 'head-tail', 'windows'] = 'truncate',
    class_weights: str = 'none',
    label_smoothing: float = 0.0,
    oversample: bool = False,
    word_vectors: str | PathLike[str] | None = None,
    pooling: Literal['cls', 'mean'] | None = None,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Fine-tune a model to classify or score texts and text pairs. Writes a run folder: model,
    metrics, wrong answers, plots, model card.

    Binary, multi-class, multi-label and regression are told apart by the labels (problem overrides).

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        text_column: Column of the text. Default: guessed.
        label_column: Column of the label. Default: guessed.
        few_shot: Few labels: compare ways to learn, keep the best.
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        epochs: Passes over the train split. Default: by rows.
        learning_rate: Peak learning rate. Default: by task and model size.
        baseline: Also train logistic|svm|bayes|word2vec|lstm|cnn|all.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        dry_run: Check data and model, show the plan, stop.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device. Default: 16; 32 from 2,000 rows on.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch;
            each tenth of all where more than 10 are chosen.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        heads: With freeze encoder: compare these heads by cross-validation, keep the best that a stock
            model can hold: logistic, mlp, knn. (not with few_shot; only with freeze encoder)
        label_texts: What each label means, learnt from as a row: JSON {label: text or [texts]}; none:
            rows alone. Default: the names of labels that are words. (only with few_shot)
        few_shot_curve: Also learn from N rows per label, drawn ten times from train, judged on
            validation: a table with intervals. (only with few_shot)
        label_next: File of rows without labels: list those to label next, by how unsure the model is
            and how unlike they are. (only with few_shot or heads)
        label_next_rows: Rows that label_next lists. (only with label_next)
        calibrate: Divide logits by a temperature fitted on validation, where that makes scores truer
            (Guo et al. 2017).
        text_pair_column: Column of the second text of a pair.
        label_columns: Columns of 0 and 1, one for each label.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        label_delimiter: Separator of several labels in one cell (makes it multi-label).
        label_names: Names of labels that are numbers, or places in lists of 0 and 1: from 0.
        problem: What the labels ask for; relevance: a number from 0 to 1 (rerankers).
        threshold: Multi-label: probability from which a label is given.
        long_text: Longer texts: cut the end, keep a quarter head and the tail (Sun 2019), or pool
            windows.
        class_weights: Loss weight per class: none, balanced (n / (classes * count)), or a JSON file
            {label: weight}.
        label_smoothing: Share of the target spread over all classes.
        oversample: Draw rare classes as often as the most frequent one.
        word_vectors: Vectors that word2vec, lstm, cnn begin with: of train-vectors, or a file of
            word2vec, GloVe or fastText. Default: learnt from train. (only with baseline word2vec, lstm,
            cnn, all)
        pooling: What a new head reads: the first token, or the mean of all, by one more layer where the
            stock class has none. Default: of pairs the mean, of an encoder whose folder says so; else
            as the stock class.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

@overload
def finetune(
    task: Literal['ner', 'token-classification'],
    data: Data | None = None,
    *,
    text_column: str | None = None,
    tag_column: str | None = None,
    model: str | PathLike[str] = 'minilm',
    epochs: float = 3.0,
    learning_rate: float = 5e-05,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    baseline: bool = False,
    cv: int | None = None,
    calibrate: bool = True,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    max_length: int | None = None,
    label_all_tokens: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Fine-tune a model to tag words: named entities, phrases, parts of speech. Writes
    a run folder: model, metrics, wrong answers, plots, model card.

    Reads CoNLL columns, lists of words and tags, and texts with character spans; how entities are written (BIO, IOB1,
    BIOES, IO) is found out, and what several columns hold (column pos, chunk or ner).

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        text_column: Column of the text. Default: guessed.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed.
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        epochs: Passes over the train split. Default: by rows.
        learning_rate: Peak learning rate. Default: by task and model size.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device. Default: 16; 32 from 2,000 rows on.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch;
            each tenth of all where more than 10 are chosen.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        baseline: Also train a classical model, for comparison.
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        calibrate: Divide logits by a temperature fitted on validation, where that makes scores truer
            (Guo et al. 2017).
        column: Which tags to take where there are several. Default: ner, else chunk, else pos.
        scheme: How entities are written as tags; plain: a tag stands for itself.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        label_all_tokens: Train on every token of a word, not on its first alone.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

@overload
def finetune(
    task: Literal['qa', 'question-answering'],
    data: Data | None = None,
    *,
    question_column: str | None = None,
    context_column: str | None = None,
    model: str | PathLike[str] = 'minilm',
    epochs: float = 3.0,
    learning_rate: float = 5e-05,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    baseline: bool = False,
    cv: int | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    max_length: int | None = None,
    doc_stride: int = 128,
    max_answer_length: int = 30,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Fine-tune a model to answer questions with a piece of a text. Writes a run
    folder: model, metrics, wrong answers, plots, model card.

    Data as of SQuAD 1.1 and 2.0, and rows of that kind. Where some questions have no answer, the model learns to say so;
    the threshold is tuned on validation and kept.

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        question_column: QA: column of the question. Default: guessed.
        context_column: QA: column of the text that holds the answer. Default: guessed.
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        epochs: Passes over the train split. Default: by rows.
        learning_rate: Peak learning rate. Default: by task and model size.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device. Default: 16; 32 from 2,000 rows on.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch;
            each tenth of all where more than 10 are chosen.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        baseline: Also train a classical model, for comparison.
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed.
        id_column: QA: column of the question's id. Default: guessed.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        doc_stride: QA: tokens that windows of a long context share (BERT's SQuAD script).
        max_answer_length: QA: most tokens per answer (BERT's SQuAD script).
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

@overload
def finetune(
    task: Literal['seq2seq', 'text2text-generation'],
    data: Data | None = None,
    *,
    text_column: str | None = None,
    target_columns: Sequence[str] | str = ...,
    model: str | PathLike[str] | None = None,
    arch: Literal['marian', 'bart', 't5'] = 'bart',
    epochs: float = 3.0,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    learning_rate: float = 5e-05,
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    baseline: bool = False,
    cv: int | None = None,
    size: Literal['nano', 'tiny', 'mini', 'small', 'base'] = 'nano',
    encoder: str | PathLike[str] | None = None,
    decoder: str | PathLike[str] | None = None,
    encoder_layers: int | None = None,
    decoder_layers: int | None = None,
    hidden_size: int | None = None,
    heads: int | None = None,
    intermediate_size: int | None = None,
    max_positions: int | None = None,
    vocab_size: int | None = None,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    measure: Literal['translation', 'summary'] | None = None,
    length_ratio: float | None = None,
    max_words: int | None = None,
    drop_copies: bool = False,
    drop_repeats: bool = False,
    max_length: int | None = None,
    max_target_length: int | None = None,
    beams: int | None = None,
    separator: str | None = None,
    label_smoothing: float = 0.1,
    optimizer: Literal['adamw', 'muon'] = 'adamw',
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Train a model to turn a text into another: a translation, a summary, an answer. Writes a run folder: model, metrics,
    worst texts, plots, model card.

    From weights (T5, BART, Marian and the like; GPT-2 and Llama learn to answer a prompt), of two models that are joined
    (encoder, decoder), or small from scratch with arch and a tokenizer that is learned from the rows. What the model
    writes is judged, by BLEU or ROUGE.

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        text_column: Column of the text. Default: guessed.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed.
        model: Folder or hub name of the model to begin with. Default: none: arch.
        arch: Architecture from scratch. (not with model; not with encoder or decoder)
        epochs: Passes over the train split. Default: 3; 30 from scratch.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        learning_rate: Peak learning rate (BERT paper: 2e-5 to 5e-5; smaller models take more). Default:
            from scratch 5e-3 x 128 / width, at most 1e-2; 5e-5 with model.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        baseline: Also train a classical model, for comparison.
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        size: Layers on each side/width: 4/128 to 6/512. (not with model; not with encoder or decoder)
        encoder: Model that reads, joined with one that writes. (not with model; only with decoder)
        decoder: Model that writes (BERT, RoBERTa, GPT-2), of the same tokenizer as encoder. (not with
            model; only with encoder)
        encoder_layers: Layers that read. Default: by size. (not with model; not with encoder or
            decoder)
        decoder_layers: Layers that write. Default: by size. (not with model; not with encoder or
            decoder)
        hidden_size: Width of the hidden states. Default: by size. (not with model; not with encoder or
            decoder)
        heads: Attention heads. Default: by size; width / 64. (not with model; not with encoder or
            decoder)
        intermediate_size: Width of the feed-forward layer. Default: by size; 4 x width. (not with
            model; not with encoder or decoder)
        max_positions: Longest text of a model from scratch, in tokens (not t5). Default: max_length.
            (not with model; not with encoder or decoder)
        vocab_size: Pieces of the tokenizer that is learned from sources and targets. Default: by the
            rows: 8,000 for 29,000 pairs. (not with model; not with encoder or decoder; not with
            tokenizer)
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing.
        prefix_column: Column of a text that stands before each text. Default: none.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's.
        measure: Text to text: judge by BLEU and chrF, or by ROUGE. Default: as trained, else summary
            where targets are less than half as long as texts.
        length_ratio: Leave out rows of train of which one side has over N times the words of the other
            (Moses: 9). Default: none.
        max_words: Leave out rows of train of which a side has more than N words. Default: none.
        drop_copies: Leave out rows of train that are to be written as they are read.
        drop_repeats: Leave out rows of train that repeat an earlier one.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        max_target_length: Tokens of what is to be written; the rest is cut. Default: from the data.
        beams: Continuations followed side by side, at the end of training and by default afterwards.
            Default: the model's, else 1.
        separator: Models without an encoder: what stands between a text and its answer. Default: a line
            end.
        label_smoothing: Share of the probability that is spread over all tokens (Vaswani et al. 2017).
        optimizer: AdamW; or Muon for matrices within layers (Jordan et al. 2024), with AdamW for all
            else. Default: muon from scratch, adamw with model.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

@overload
def finetune(
    task: Literal['embed', 'sentence-embedding'],
    data: Data | None = None,
    *,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    validation_file: Data | None = None,
    model: str | PathLike[str] = 'minilm',
    epochs: float = 3.0,
    batch_size: int = 32,
    output: str | PathLike[str] | None = None,
    dry_run: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    learning_rate: float = 5e-05,
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    resume: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    baseline: bool = False,
    cv: int | None = None,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_column: str | None = None,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    max_length: int | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    prompt_query: str | None = None,
    prompt_document: str | None = None,
    loss: Literal['multiple-negatives-ranking', 'cached-multiple-negatives-ranking', 'guided', 'cached-guided', 'triplet', 'contrastive', 'online-contrastive', 'cosent', 'angle', 'cosine-mse', 'batch-hard-triplet', 'batch-all-triplet', 'simcse', 'tsdae', 'mse', 'margin-mse'] | None = None,
    scale: float | None = None,
    margin: float | None = None,
    relative_margin: bool = False,
    symmetric: bool = False,
    mini_batch_size: int = 32,
    guide: str | PathLike[str] | None = None,
    matryoshka: Sequence[str] | str = ...,
    mine_negatives: int | None = None,
    mine_by: Literal['dense', 'bm25', 'both'] = 'dense',
    mine_with: str | PathLike[str] | None = None,
    corpus: str | PathLike[str] | None = None,
    negatives_margin: str = '5%',
    negatives_max_score: float | None = None,
    negatives_skip: int = 0,
    save_negatives: str | PathLike[str] | None = None,
    from_cross_encoder: str | PathLike[str] | None = None,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Fine-tune a model to give like vectors to texts that belong together. Writes a run folder: model,
    metrics, plots, model card.

    The kind of rows chooses the loss (shape, loss): pairs that belong together, perhaps with texts that do not;
    triplets; pairs with a score or with 0 and 1; inference pairs. Columns are told by their names.

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        shape: Kind of the rows. Default: from the columns.
        validation_file: File of the validation split; or the rows themselves.
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        epochs: Passes over the train split.
        batch_size: Rows per step on each device.
        output: Run folder to write. Default: runs/<data>-<model>.
        dry_run: Check data and model, show the plan, stop.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        learning_rate: Peak learning rate (BERT paper: 2e-5 to 5e-5; smaller models take more).
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        resume: Go on with the interrupted run in output.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        baseline: Also train a classical model, for comparison.
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        text_column: Column of the text (anchor, query, sentence1, ...). Default: guessed.
        text_pair_column: Column of the second text, or of the one that belongs to it.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them.
        label_column: Column of the score of two texts, or of the label. Default: guessed.
        label_names: Names of labels that are numbers, from 0.
        vector_column: Column of vectors to learn, lists of numbers.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one.
        prompt_name: Name of one of the model's prompts to put before each text.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all.
        prompt_query: Text to put before the first text of each row, a query or question. Default: where
            documents are searched the model's prompt for queries, else as prompt.
        prompt_document: Text to put before the texts that are compared with it. Default: where
            documents are searched the model's prompt for documents, else as prompt.
        loss: What is trained for, of the losses that suit the rows. Default: by the kind of rows.
        scale: Factor of similarities, 1 / temperature. Default: 20, as sentence-transformers has it (a
            temperature of 0.05); 100 with guides; 1 for products. (only with loss
            multiple-negatives-ranking, cached-multiple-negatives-ranking, guided, cached-guided,
            cosent, angle, simcse, margin-mse)
        margin: How much nearer what belongs together must be; with a guide: how far below the positive
            a negative must be. Default: 0.2 of triplets (FaceNet), 0.5 of contrastive pairs, 0 with a
            guide. (only with loss guided, cached-guided, triplet, contrastive, online-contrastive,
            batch-hard-triplet, batch-all-triplet)
        relative_margin: The margin is a share of the similarity that the guide gives the pair. (only
            with loss guided, cached-guided)
        symmetric: Rank anchors for each positive too. (only with loss multiple-negatives-ranking,
            cached-multiple-negatives-ranking, simcse)
        mini_batch_size: Rows that are computed at once. (only with loss
            cached-multiple-negatives-ranking, cached-guided)
        guide: Embedder whose nearer texts are no negatives. (only with loss guided, cached-guided)
        matryoshka: Train the first N numbers of each vector too (Kusupati et al. 2022), with a weight
            each.
        mine_negatives: Find N texts for each pair that look like its second text and do not belong to
            it. (not with cv)
        mine_by: Find them by vectors, by shared words, or both by turns. (only with mine_negatives)
        mine_with: Embedder by whose vectors texts are compared. Default: model. (only with
            mine_negatives)
        corpus: File of further texts to find them in, one per line. (only with mine_negatives)
        negatives_margin: How far below the cosine of the pair that of a negative stays: a share of it
            (5%, as in NV-Retriever), a number, or none. (only with mine_negatives)
        negatives_max_score: Highest cosine of a negative. (only with mine_negatives)
        negatives_skip: Pass over the K nearest of those that are left. (only with mine_negatives)
        save_negatives: Write the rows with their negatives, to train on again. (only with
            mine_negatives)
        from_cross_encoder: Learn by how much a cross-encoder prefers the positive to each negative
            (margin-mse). (not with cv)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def augment(
    data: Data | None = None,
    *,
    task: str = 'text-classification',
    by: Sequence[Literal['synonyms', 'insert', 'swap', 'delete', 'keyboard', 'ocr', 'case', 'punctuation', 'mentions', 'segments', 'labelwise', 'masked-lm', 'back-translation', 'paraphrase']] | str | Literal['synonyms', 'insert', 'swap', 'delete', 'keyboard', 'ocr', 'case', 'punctuation', 'mentions', 'segments', 'labelwise', 'masked-lm', 'back-translation', 'paraphrase'] = ...,
    copies: int | None = None,
    measure: bool = False,
    output: str | PathLike[str] | None = None,
    dry_run: bool = False,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    max_length: int | None = None,
    label_delimiter: str | None = None,
    label_names: Sequence[str] | str = ...,
    problem: Literal['auto', 'binary', 'multi-class', 'multi-label', 'regression', 'relevance'] = 'auto',
    threshold: float = 0.5,
    long_text: Literal['truncate', 'head-tail', 'windows'] = 'truncate',
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    doc_stride: int = 128,
    max_answer_length: int = 30,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    length_ratio: float | None = None,
    max_words: int | None = None,
    drop_copies: bool = False,
    drop_repeats: bool = False,
    max_target_length: int | None = None,
    beams: int | None = None,
    separator: str | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    vector_column: str | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    overwrite: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    balance: bool = False,
    rate: float | None = None,
    synonyms: str | PathLike[str] | None = None,
    keyboard: Literal['qwerty', 'qwertz', 'azerty'] = 'qwerty',
    filler: str | PathLike[str] | None = None,
    translators: Sequence[str] | str = ...,
    languages: Sequence[str] | str = ...,
    paraphraser: str | PathLike[str] | None = None,
    temperature: float = 0.8,
    checked_by: str | None = None,
    least: float = 0.5,
    rows: Sequence[int | Literal['all']] | str | int | Literal['all'] = ...,
    seeds: Sequence[int] | str | int = ...,
    training: str | PathLike[str] | None = None,
    resume: bool = False,
    max_train_samples: int | None = None,
    seed: int = 42,
    only_copies: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Copy the rows to train on with other words. Writes a file with both.

    Copies come from the train split alone, and none that is a row of another split gets in; two columns say which row each
    comes from (augmented_from) and which operation made it (augmented_by), and training keeps a copy and its row together.

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        task: Task that the rows are for.
        by: Operations, by turns; also keyboard, ocr, case, punctuation, masked-lm, back-translation,
            paraphrase; of words with tags mentions, segments, labelwise. Default: the four of EDA.
        copies: Copies of each row. Default: EDA: 16, 8 or 4.
        measure: Train with copies and without: what do they gain? For text2text-generation.
        output: File to write; with measure a run folder.
        dry_run: Show the plan and three copies of each, stop.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text2text-generation, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data. For
            text-classification, token-classification, fill-mask, question-answering,
            text2text-generation, sentence-embedding.
        label_delimiter: Separator of several labels in one cell (makes it multi-label). For
            text-classification.
        label_names: Names of labels that are numbers, or places in lists of 0 and 1: from 0. For
            text-classification, sentence-embedding.
        problem: What the labels ask for; relevance: a number from 0 to 1 (rerankers). For
            text-classification.
        threshold: Multi-label: probability from which a label is given. For text-classification.
        long_text: Longer texts: cut the end, keep a quarter head and the tail (Sun 2019), or pool
            windows. For text-classification.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        doc_stride: QA: tokens that windows of a long context share (BERT's SQuAD script). For
            question-answering.
        max_answer_length: QA: most tokens per answer (BERT's SQuAD script). For question-answering.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        length_ratio: Leave out rows of train of which one side has over N times the words of the other
            (Moses: 9). Default: none. For text2text-generation.
        max_words: Leave out rows of train of which a side has more than N words. Default: none. For
            text2text-generation.
        drop_copies: Leave out rows of train that are to be written as they are read. For
            text2text-generation.
        drop_repeats: Leave out rows of train that repeat an earlier one. For text2text-generation.
        max_target_length: Tokens of what is to be written; the rest is cut. Default: from the data. For
            text2text-generation.
        beams: Continuations followed side by side, at the end of training and by default afterwards.
            Default: the model's, else 1. For text2text-generation.
        separator: Models without an encoder: what stands between a text and its answer. Default: a line
            end. For text2text-generation.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        overwrite: Replace output if it exists.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        balance: Make copies until every class has as many rows as the most frequent one. (not with
            copies)
        rate: Share of the words that are changed, at least one. Default: EDA: 0.05 or 0.1.
        synonyms: Table of synonyms: `word TAB synonym,...`, or by sense as Open English WordNet's; .gz
            too. Default: a small one of English. (only with by synonyms, insert)
        keyboard: Keys that lie beside one another. (only with by keyboard)
        filler: Model that fills masks. (only with by masked-lm)
        translators: Models that translate into another language, and back (opus-mt-en-de and
            opus-mt-de-en of Helsinki-NLP). (only with by back-translation)
        languages: Translators of several languages: codes of the texts' own and of the other one
            (en_XX,de_DE). Default: those of each translator. (only with translators)
        paraphraser: Model that writes a text in other words. (only with by paraphrase)
        temperature: Of what translators (on the way out) and paraphrasers write; 0: the likeliest text.
            (only with by back-translation, paraphrase)
        checked_by: Trained run of the task: copies whose label it doubts are dropped, rows whose label
            it doubts are listed.
        least: Probability that it must give a label. (only with checked_by)
        rows: Rows of train that are learnt from and copied, balanced by label, drawn anew for each
            seed. Default: all. (only with measure)
        seeds: Seeds of rows, copies and training. Default: 1,2,3. (only with measure)
        training: Options of the command that trains (YAML): model, epochs, learning_rate, ... Default:
            its defaults. (only with measure)
        resume: Go on with the interrupted run in output. (only with measure)
        max_train_samples: Take at most N rows, balanced by label. (not with measure)
        seed: Seed of all that is drawn. (not with measure)
        only_copies: Write the copies alone. (not with measure)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def benchmark(
    models: Sequence[str | PathLike[str]] | str = ...,
    data: Data | None = None,
    *,
    sequence_lengths: Sequence[int] | str | int | None = None,
    batch_sizes: Sequence[int] | str | int | None = None,
    fail_if: Sequence[str] | str = ...,
    output: str | PathLike[str] | None = None,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    config_only: bool = False,
    seed: int = 42,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    split: str | None = None,
    sample_rows: int = 128,
    mode: Literal['inference', 'training', 'both', 'writing'] = 'inference',
    new_tokens: int = 32,
    backends: Sequence[Literal['torch', 'torch-compile', 'onnx', 'onnx-int8']] | str | Literal['torch', 'torch-compile', 'onnx', 'onnx-int8'] | None = None,
    launches: int = 5,
    seconds: float = 1.0,
    interval: float = 5.0,
    max_minutes: float | None = None,
    memory_limit: float | None = None,
    compare: str | PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    dry_run: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Measure models side by side: speed, memory, quality. Writes figures and plots.

    Each model runs in a process of its own, started anew in every launch; models take turns, so that what else the machine
    does hits all alike. With data (data, else those of the first run folder) rows are measured at their own lengths, and
    the task's metric beside the speed; with sequence_lengths random inputs of exact lengths, which show how
    models grow. Ratios are against the first model, with 95 % intervals over the launches.

    Args:
        models: [LABEL=]NAME[:KEY=VALUE,...]: runs, folders, hub names, the reference first; KEY of the
            config.
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        sequence_lengths: Exact lengths of random inputs, in tokens. Default: rows of the data; without
            data 32,64,128,256,512.
        batch_sizes: Inputs per call. Default: 1,32 for rows; 1,8 for random inputs.
        fail_if: Exit with 1, e.g. 'p95>20ms', 'throughput<0.95x' (of compare, else the first model)
            (repeatable).
        output: Folder to write. Default: runs/benchmark-<models>.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification,
            zero-shot-classification, zero-shot-by-embedding.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        label_names: Names of labels that are numbers, from 0. For sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's. (not with config_only)
        allow_pickle: Load weights stored as pickle (they can run code). (not with config_only)
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
            (not with config_only)
        config_only: Random weights; a NAME may be a model type (bert, longformer), which stands for its
            default config.
        seed: Seed of random weights and inputs, and of the hold-out.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        split: Rows of the data to measure on. Default: validation, else test, else all; of a run folder
            those that it was validated on. (only for rows of data)
        sample_rows: Rows whose time is measured; the metrics are of all rows. (only for rows of data)
        mode: training: forward, backward and an AdamW step; writing: prompts read, and tokens written,
            apart.
        new_tokens: Tokens that are written behind each prompt, wherever a text would end. (only with
            mode writing)
        backends: torch, torch-compile, onnx, onnx-int8; exported on the fly. Default: what the model
            was saved for.
        launches: Fresh starts per model; intervals are over these.
        seconds: Seconds of measuring per model, size and launch.
        interval: Add launches, up to three times as many, until ratios are known to within N per cent;
            needs three or more.
        max_minutes: Stop after N minutes with what there is.
        memory_limit: GB of memory that a model may take (Linux, CPU); one that needs more counts as out
            of memory.
        compare: Show the change since this earlier benchmark; models are matched by name.
        overwrite: Replace an earlier benchmark in output.
        resume: Complete the interrupted benchmark in output.
        dry_run: Show what would be measured, stop.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def check_data(
    data: Data | None = None,
    *,
    task: str = 'text-classification',
    model: str | PathLike[str] = 'minilm',
    show: int | None = None,
    output: str | PathLike[str] | None = None,
    strict: bool = False,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    max_length: int | None = None,
    label_delimiter: str | None = None,
    label_names: Sequence[str] | str = ...,
    problem: Literal['auto', 'binary', 'multi-class', 'multi-label', 'regression', 'relevance'] = 'auto',
    threshold: float = 0.5,
    long_text: Literal['truncate', 'head-tail', 'windows'] = 'truncate',
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    doc_stride: int = 128,
    max_answer_length: int = 30,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    measure: Literal['translation', 'summary'] | None = None,
    length_ratio: float | None = None,
    max_words: int | None = None,
    drop_copies: bool = False,
    drop_repeats: bool = False,
    max_target_length: int | None = None,
    beams: int | None = None,
    separator: str | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    vector_column: str | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    seed: int = 42,
    suspects: int | None = None,
    overwrite: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Find what is wrong with a data set before an hour of training is lost. Prints what it finds;
    output writes it to a file.

    Exit code 2 when training would be meaningless, 1 with strict=True when there are warnings, else 0. With output
    report.html it leaves a page that can be handed on: counts, lengths, labels, each finding with its rows.

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        task: The task that the data are for.
        model: Model whose tokenizer measures lengths; `none` skips that.
        show: Print one example of train as the model will see it.
        output: Report to write: .html or .json.
        strict: Exit with 1 when there are warnings.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text2text-generation, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data. For
            text-classification, token-classification, fill-mask, question-answering,
            text2text-generation, sentence-embedding.
        label_delimiter: Separator of several labels in one cell (makes it multi-label). For
            text-classification.
        label_names: Names of labels that are numbers, or places in lists of 0 and 1: from 0. For
            text-classification, sentence-embedding.
        problem: What the labels ask for; relevance: a number from 0 to 1 (rerankers). For
            text-classification.
        threshold: Multi-label: probability from which a label is given. For text-classification.
        long_text: Longer texts: cut the end, keep a quarter head and the tail (Sun 2019), or pool
            windows. For text-classification.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        doc_stride: QA: tokens that windows of a long context share (BERT's SQuAD script). For
            question-answering.
        max_answer_length: QA: most tokens per answer (BERT's SQuAD script). For question-answering.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        measure: Text to text: judge by BLEU and chrF, or by ROUGE. Default: as trained, else summary
            where targets are less than half as long as texts. For text2text-generation.
        length_ratio: Leave out rows of train of which one side has over N times the words of the other
            (Moses: 9). Default: none. For text2text-generation.
        max_words: Leave out rows of train of which a side has more than N words. Default: none. For
            text2text-generation.
        drop_copies: Leave out rows of train that are to be written as they are read. For
            text2text-generation.
        drop_repeats: Leave out rows of train that repeat an earlier one. For text2text-generation.
        max_target_length: Tokens of what is to be written; the rest is cut. Default: from the data. For
            text2text-generation.
        beams: Continuations followed side by side, at the end of training and by default afterwards.
            Default: the model's, else 1. For text2text-generation.
        separator: Models without an encoder: what stands between a text and its answer. Default: a line
            end. For text2text-generation.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        seed: Seed of the hold-out when there is no validation split.
        suspects: Name N rows whose label a simple model, trained on the other rows, contradicts most
            surely. Default: 10 with output, else 0.
        overwrite: Replace output if it exists.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def cluster(
    model: str | PathLike[str],
    *,
    input: Data | None = None,
    text_column: str | None = None,
    mode: Literal['clusters', 'duplicates'] = 'clusters',
    method: Literal['kmeans', 'hdbscan', 'agglomerative', 'community'] = 'kmeans',
    k: str = 'auto',
    threshold: float | None = None,
    label_column: str | None = None,
    map: Literal['auto', 'pca', 'tsne', 'umap', 'none'] = 'auto',
    output: str | PathLike[str] | None = None,
    without: str | PathLike[str] | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = 'sentence-embedding',
    batch_size: int = 256,
    max_length: int | None = None,
    text_pair_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    batch_tokens: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    long_text: Literal['truncate', 'mean-windows', 'error'] = 'truncate',
    vectors: str | PathLike[str] | None = None,
    stop_words: str | PathLike[str] | None = None,
    seed: int = 42,
    min_size: int | None = None,
    stability: bool = True,
    overwrite: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Find groups in the texts of a file, or the texts that say the same.
    Writes the rows with their clusters, names, figures and a map to a folder.

    method kmeans finds as many clusters as k says, or as the silhouette asks for; hdbscan dense places, and leaves
    outliers; agglomerative cuts a tree; community takes texts around a text that all are like it (threshold). Clusters
    are named by the words that tell them from the others. map.html opens in any browser, without a network. mode
    duplicates lists texts that repeat an earlier one, word for word or nearly; without=FILE writes the others. What was
    embedded is kept in the cache: a second try with other options takes seconds.

    Args:
        model: Run folder, model folder or hub name.
        input: File with a text in each row; - for a pipe; or the rows themselves.
        text_column: Column of the text. Default: guessed.
        mode: Groups, or texts said twice.
        method: How clusters are found. (only with mode clusters)
        k: How many; auto: by the silhouette. (only with mode clusters; only with method kmeans,
            agglomerative)
        threshold: Cosine of like texts, at least. Default: 0.75; of duplicates 0.95. (only with method
            community or mode duplicates)
        label_column: Labels to compare with. Default: none. (only with mode clusters)
        map: How the map is made; auto: tsne. (only with mode clusters)
        output: Folder to write. Default: runs/<file>-<mode>.
        without: File for the rows that repeat no other. (only with mode duplicates)
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it.
        batch_size: Texts per forward pass, at most.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        text_pair_column: Column of the second text of a pair.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one.
        prompt_name: Name of one of the model's prompts to put before each text.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all.
        batch_tokens: Tokens per forward pass, at most, with padding, unless one text has more. Default:
            1,024 on a CPU, whose caches hold that; 32,768 on a GPU.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        long_text: Longer than the model reads.
        vectors: Vectors of the same rows, as `embed` wrote them: nothing is embedded. Default: embed
            the rows, or take from the cache what was embedded before.
        stop_words: Words that name nothing: english, none, or a file with a word a line. Default:
            english where the texts look English, else none. (only with mode clusters)
        seed: Seed of all that is drawn. (only with mode clusters)
        min_size: Rows of the smallest cluster. Default: of hdbscan 1 % of the rows, at least 5; of
            community 5. (only with mode clusters; only with method hdbscan, community)
        stability: Group five draws of 80 % of the rows anew, to see whether the same clusters are
            found. (only with mode clusters)
        overwrite: Replace what is in output, and without.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def compare(
    runs: Sequence[str | PathLike[str]] | str = ...,
    data: Data | None = None,
    *,
    split: str | None = None,
    output: str | PathLike[str] | None = None,
    fail_if: Literal['worse'] | None = None,
    judge: bool = True,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    per_class: bool = False,
    unknown_labels: Literal['error', 'wrong', 'skip'] | None = None,
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    aggregation: Literal['first', 'average', 'max'] = 'first',
    mlm_probability: float | None = None,
    seed: int = 42,
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    doc_stride: int | None = None,
    max_answer_length: int | None = None,
    null_threshold: float | None = None,
    breakdown: bool = False,
    stride: int | None = None,
    ngrams_of: Sequence[str | PathLike[str]] | str = ...,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    measure: Literal['translation', 'summary'] | None = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical_p: float = 1.0,
    beams: int = 1,
    length_penalty: float = 1.0,
    repetition_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
    sequences: int = 1,
    stop: Sequence[str] | str = ...,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    prompt_query: str | None = None,
    prompt_document: str | None = None,
    pair_threshold: float | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    task: str | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    batch_size: int = 32,
    max_length: int | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    overwrite: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Compare runs. Prints in what they differ, and whether one is better on the same rows by more than chance.

    Every model answers the rows of data, or those that the first run held out; each is compared with the first. A share
    of right rows is tested with McNemar's exact test, all other metrics with a paired bootstrap; of several models p is
    corrected (Holm). `fail_if worse` makes CI fail (exit code 1) when one is worse than the first by more than chance.
    judge=False compares the records alone: options, data and the figures that stand there.

    Args:
        runs: Runs, the one that the others are compared with first.
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        split: Split whose rows the models answer. Default: without data test, else validation, of the
            first run; with it all but train.
        output: File for the rows on which the models differ: csv, tsv, jsonl or parquet. (only with
            judge)
        fail_if: Exit with 1 if a run is worse than the first by more than chance. (only with judge)
        judge: Ask the models; no_judge compares the records alone.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification,
            zero-shot-classification, zero-shot-by-embedding.
        per_class: Show precision, recall and F1 of each class. For text-classification,
            token-classification, zero-shot-classification, zero-shot-by-embedding.
        unknown_labels: Rows whose label the model does not have: stop, count them as wrong, or leave
            them out. Default: wrong up to 5 % of the rows, error beyond. For text-classification,
            token-classification, zero-shot-classification, zero-shot-by-embedding.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        aggregation: Tag of a word from its tokens: the first, their average, or the surest. For
            token-classification.
        mlm_probability: Masked LM: share of the tokens predicted. Default: as trained, or 0.15. For
            fill-mask.
        seed: Masked LM: seed of the masks. For fill-mask, text2text-generation.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        doc_stride: QA: tokens that windows of a long context share. Default: as trained, or 128. For
            question-answering.
        max_answer_length: QA: most tokens per answer. Default: as trained, or 30. For
            question-answering.
        null_threshold: QA: no answer where its score is more than this above the best answer's (a
            larger value answers more). Default: as tuned in training; a model from elsewhere always
            answers. For question-answering.
        breakdown: QA: show F1 by question word and by length of the answer. For question-answering.
        stride: Models that write: tokens from one window of a long text to the next; fewer: more is
            read before each. Default: max_length. For text-generation.
        ngrams_of: Minimal pairs: text in which 1 to 5 tokens are counted, to compare with: that of the
            training. For text-generation.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        measure: Text to text: judge by BLEU and chrF, or by ROUGE. Default: as trained, else summary
            where targets are less than half as long as texts. For text2text-generation.
        max_new_tokens: Tokens that are written at most. Default: the model's, else 128. For
            text2text-generation.
        temperature: Draw tokens; below 1 the likely ones more often. 0: always the most likely one. For
            text2text-generation.
        top_k: Draw one of the N most likely tokens; 0: of all. For text2text-generation.
        top_p: Draw one of those with this probability together. For text2text-generation.
        min_p: Draw one with at least this share of the best one's probability. For
            text2text-generation.
        typical_p: Draw one of typical surprise, of those with this probability together. For
            text2text-generation.
        beams: Continuations followed side by side, for the most likely text. Default: the model's, else
            1. For text2text-generation.
        length_penalty: Beams: above 0 favours longer texts, below 0 shorter ones. For
            text2text-generation.
        repetition_penalty: Make tokens that stand there less likely (1.2). For text2text-generation.
        no_repeat_ngram: No N tokens in a row come twice; 0: any may. For text2text-generation.
        sequences: Texts for each prompt. For text2text-generation.
        stop: Text that ends the writing, and is left out (repeatable). For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        label_names: Names of labels that are numbers, from 0. For sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all. For sentence-embedding.
        prompt_query: Text to put before the first text of each row, a query or question. Default: where
            documents are searched the model's prompt for queries, else as prompt. For
            sentence-embedding.
        prompt_document: Text to put before the texts that are compared with it. Default: where
            documents are searched the model's prompt for documents, else as prompt. For
            sentence-embedding.
        pair_threshold: Pairs of 0 and 1: show precision and recall of the pairs that are so much alike
            or more. Default: the threshold of the best F1, chosen on the same pairs. For
            sentence-embedding.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        batch_size: Inputs per forward pass.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        overwrite: Replace output if it exists. (only with output)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def compress(
    model: str | PathLike[str],
    data: Data | None = None,
    *,
    max_size: str | None = None,
    max_latency: float | None = None,
    min_speedup: float | None = None,
    max_drop: float | None = None,
    max_minutes: float | None = None,
    latency_batch: int = 1,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    dry_run: bool = False,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    overwrite: bool = False,
    license: str | None = None,
    language: Sequence[str] | str = ...,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 'half',
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    measure_seconds: float = 6.0,
    latency_length: int | None = None,
    to: Literal['onnx-int8', 'onnx-fp16', 'onnx-fp32', 'none'] | None = None,
    embeddings: Literal['auto', 'whole'] = 'auto',
    branches: int = 4,
    epochs: float = 6.0,
    learning_rate: float | None = None,
    unlabelled: Data | None = None,
    seed: int = 42,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Find the smallest or fastest model within your limits: distilled, pruned, quantized.
    Writes a run folder: the chosen model, the front of all that were made, what each step cost.

    Sizes and speeds of all shapes are expected by a few that are timed on this machine. Where a format alone, or a smaller
    table of embeddings, is enough, nothing is trained. Else each number of layers is a branch with as much of each layer as
    fits; short trials tell the branches apart, and the best is trained whole. Validation chooses; what the result costs is
    told by rows that chose nothing. With max_drop alone faster and faster models are made until one loses more.

    Args:
        model: Run folder, model folder or hub name.
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        max_size: Most bytes of weights and graph: 10MB, 800kB, 12MiB.
        max_latency: Most milliseconds of a call, with latency_batch rows.
        min_speedup: At least N times as fast as MODEL in torch, in such calls.
        max_drop: At most N points of the main metric lost, on validation.
        max_minutes: Minutes that the search may take.
        latency_batch: Rows of a call whose latency counts.
        output: Run folder to write. Default: runs/<model>-compressed.
        resume: Go on with the interrupted run in output.
        dry_run: Time some shapes, show the plan, stop.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification,
            zero-shot-classification, zero-shot-by-embedding.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        label_names: Names of labels that are numbers, from 0. For sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        overwrite: Replace an earlier run in output.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Where there is no test split, half of validation judges what the other half has
            chosen; 0: all do both. Default: half.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        measure_seconds: Seconds of measuring the speed of each model.
        latency_length: Tokens of each row of such a call. Default: as the rows of the data.
        to: Format of the result; none: weights for torch. Default: onnx-int8; onnx-fp16 on a GPU.
        embeddings: Whether the table of embeddings may have fewer pieces and fewer bits.
        branches: Shapes that get a short trial, at most.
        epochs: Epochs of a whole training; recovery after pruning gets half of them.
        learning_rate: Peak learning rate. Default: 0.0002; 0.0001 of encoders wider than 512.
        unlabelled: File of rows without labels to learn from besides (repeatable); or the rows
            themselves.
        seed: Seed of the hold-out and of all trainings.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def distill(
    teacher: str | PathLike[str],
    data: Data | None = None,
    *,
    student_layers: str | None = None,
    student: str | PathLike[str] | None = None,
    student_size: Literal['tiny', 'mini', 'small', 'medium', 'base'] | None = None,
    epochs: float = 3.0,
    unlabelled: Data | None = None,
    parallel: Sequence[str] | str = ...,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    learning_rate: float = 5e-05,
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    calibrate: bool = True,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 'half',
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    measure_seconds: float = 6.0,
    languages: Sequence[str] | str = ...,
    held_pairs: int = 1000,
    augment: int = 0,
    augment_by: Sequence[Literal['mask', 'ngram', 'synonym']] | str | Literal['mask', 'ngram', 'synonym'] = ...,
    synonyms: str | PathLike[str] | None = None,
    teach: Literal['words', 'texts', 'both'] = 'words',
    beams: int | None = None,
    student_decoder_layers: str | None = None,
    layer_choice: Literal['even', 'first', 'last'] = 'even',
    student_arch: Literal['bert', 'roberta', 'distilbert', 'albert', 'electra', 'modernbert'] = 'bert',
    dims: int = 256,
    token_weights: Literal['seen', 'zipf'] = 'seen',
    student_tokenizer: str | PathLike[str] | None = None,
    max_length: int | None = None,
    alpha: float = 0.5,
    temperature: float = 2.0,
    hidden_weight: float = 0.0,
    attention_weight: float = 0.0,
    relation_weight: float = 0.0,
    cosine_weight: float = 0.0,
    layer_map: str | None = None,
    relation_layer: int | None = None,
    relation_heads: int | None = None,
    cache_teacher: bool = True,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Teach a small model what a large one knows, and show what that costs. Writes a
    run folder: the small model, metrics beside the teacher's, model card.

    The teacher is any trained model; the student another one (student), some of the teacher's layers (student_layers),
    or a new one (student_size). It learns the teacher's logits and the labels (alpha, temperature); of an embedder
    the vector of each text, also as a table of tokens, which is the fastest (student static). Where asked, it learns what
    happens inside (hidden_weight, attention_weight, relation_weight, cosine_weight). A model that writes learns its
    teacher's words, the texts that it writes, or both (teach). The data are those that the
    teacher was trained on, unless others are named; unlabelled adds text without labels, augment changed copies. With
    parallel it learns another language from translations.

    Args:
        teacher: Run folder, model folder or hub name of the teacher.
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        student_layers: How many of the teacher's layers, or which (0,2,5).
        student: Encoder that learns; `static`: a table of tokens.
        student_size: A new student: tiny 2 layers of width 128, mini 4/256, small 4/512, medium 8/512,
            base 12/768.
        epochs: Passes over the train split.
        unlabelled: File of rows without labels (repeatable); or the rows themselves.
        parallel: Translations: line-aligned files (a.en,a.de), or a table with a column per language
            (repeatable).
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification,
            zero-shot-classification, zero-shot-by-embedding.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        label_names: Names of labels that are numbers, from 0. For sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        learning_rate: Peak learning rate (BERT paper: 2e-5 to 5e-5; smaller models take more). Default:
            5e-05; 0.01 of a static student.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        calibrate: Divide logits by a temperature fitted on validation, where that makes scores truer
            (Guo et al. 2017).
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Where there is no test split, half of validation judges what the other half has
            chosen; 0: all do both. Default: half.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        measure_seconds: Seconds of measuring the speed of each model in the end; 0 = leave it out.
        languages: Endings of the files or columns of the table, the teacher's language first. Default:
            en, else the first, and all others. (only with parallel)
        held_pairs: Translations held out to judge by, a tenth at most; 0 = none. (only with parallel)
        augment: Changed copies of each training row, which the teacher labels (TinyBERT: 20); 0 = off.
        augment_by: What changes in a copy: mask words, keep an n-gram, put near words in. Default:
            mask,ngram,synonym. (only with augment)
        synonyms: Words that may stand for one another: on each line a word and its synonyms (formats:
            `nlpkit augment`). Default: the nearest in the teacher's embeddings. (only with augment;
            only with augment_by synonym)
        teach: Models that write: how likely the teacher finds each piece at each token of a target
            (words), what it writes in the place of targets (texts), or both (Kim and Rush 2016).
        beams: Texts that the teacher follows side by side as it writes. Default: as its folder says.
            (only with teach texts, both)
        student_decoder_layers: The same of the teacher's decoder, where it has an encoder too. Default:
            as student_layers; all where that is not given.
        layer_choice: Which layers student_layers N takes; even: as DistilBERT did. (only with
            student_layers or student_decoder_layers)
        student_arch: Architecture of student_size. (only with student_size)
        dims: Numbers in a vector of a static student (model2vec: 256). (only with student static)
        token_weights: How frequent a token of a static student is: as in the texts that are trained on,
            or by its rank alone. (only with student static)
        student_tokenizer: Tokenizer of the student. Default: that of student, else the teacher's.
        max_length: Tokens per input. Default: as the teacher.
        alpha: Share of the teacher's logits in the loss; the rest is that of the labels.
        temperature: Softens the teacher's and the student's logits (Hinton et al. 2015).
        hidden_weight: Weight of the hidden states' MSE, layer by layer (TinyBERT: 1); 0 = off.
        attention_weight: Weight of the attention scores' MSE, layer by layer (TinyBERT: 1); 0 = off.
        relation_weight: Weight of the relations of queries, keys and values (MiniLMv2: 1); 0 = off.
        cosine_weight: Weight of 1 - cosine of the last hidden states (DistilBERT: 1); 0 = off.
        layer_map: Which layer learns from which, as student:teacher, counted from 1 (1:2,2:4,3:6).
            Default: as deep in either; a cut layer from itself. (only with hidden_weight or
            attention_weight)
        relation_layer: Layer of the teacher whose relations are learnt, from 1. Default: the last.
            (only with relation_weight)
        relation_heads: Relation heads (MiniLMv2: 48). Default: the teacher's heads. (only with
            relation_weight)
        cache_teacher: Compute the teacher's logits once and keep them on disk.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def embed(
    model: str | PathLike[str],
    texts: Data | None = None,
    *,
    input: Data | None = None,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    dtype: Literal['fp32', 'fp16', 'int8', 'binary'] = 'fp32',
    long_text: Literal['truncate', 'mean-windows', 'error'] = 'truncate',
    plot: str | PathLike[str] | None = None,
    pairs_from: Sequence[str] | str = ...,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = 'sentence-embedding',
    batch_size: int = 256,
    max_length: int | None = None,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    batch_tokens: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    max_errors: float = 0,
    shards: bool = False,
    jobs: int | None = None,
    engine: Literal['processes', 'ray'] | None = None,
    ray_address: str | None = None,
    retries: int = 3,
    output_format: str | None = None,
    overwrite: bool = False,
    similarity: Literal['cosine', 'dot', 'euclidean', 'manhattan', 'angular'] | None = None,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Turn texts into vectors with any encoder. Prints them, and how alike they
    are; output writes those of the rows of a file.

    What a vector is made of (pooling, length, prompt, tokens that are read) is read from the model's folder, and said; a
    guess is said to be one. Texts that are longer than the model reads are counted (long_text). A file may have any size;
    what was interrupted goes on with resume=True. dtype int8 or binary makes vectors smaller, and says what is lost.

    Args:
        model: Run folder, model folder or hub name.
        texts: Texts to embed; two or more are compared.
        input: File with rows, or - for standard input (txt without format); or the rows themselves.
        output: File to write: parquet, npy, safetensors, jsonl, csv or tsv. Of many files a folder.
            Default: print.
        resume: Go on with an output that was interrupted. (only with output; only with input)
        dtype: How a number is stored.
        long_text: Longer than the model reads.
        plot: Picture of the similarities of texts, or pairs. (not with input)
        pairs_from: Two files of lines, to compare line by line.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it.
        batch_size: Texts per forward pass, at most.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        text_column: Column of the text. Default: guessed.
        text_pair_column: Column of the second text of a pair.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one.
        prompt_name: Name of one of the model's prompts to put before each text.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all.
        batch_tokens: Tokens per forward pass, at most, with padding, unless one text has more. Default:
            1,024 on a CPU, whose caches hold that; 32,768 on a GPU.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        max_errors: Exit with 1 if more rows of input have no vector: a number, or a share below 1.
        shards: Answer each file of input, a pattern or a folder, into one of its own in the folder
            output. Default: when input names several and output a folder.
        jobs: Processes, each with the model and its part of the cores; on ray actors. Default: this
            one; on ray one for each node.
        engine: What runs them: this machine, or a Ray cluster. Default: processes.
        ray_address: Address of the cluster. Default: RAY_ADDRESS, else this machine. (only with engine
            ray)
        retries: How often a shard is tried again whose process died. (only with shards)
        output_format: Format of the files in the folder output. Default: predict: as the shard, else
            jsonl; embed: parquet. (only with shards)
        overwrite: Replace output if it exists.
        similarity: How vectors are compared; angular is 1 - arccos(cosine) / pi. Default: the model's.
            (not with input)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def env(
    *,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Print what a bug report or a paper needs to know of this machine and its software.

    CPU, memory and the limits on them, GPUs, threads, versions, extras, what accelerate sees, whether the network is used,
    caches, and the environment variables that change results or speed. Tokens and passwords are not shown.

    Args:
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def evaluate(
    model: str | PathLike[str],
    data: Data | None = None,
    *,
    split: str | None = None,
    breakdown_by: str | PathLike[str] | None = None,
    fail_under: Mapping[str, Any] = ...,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    per_class: bool = False,
    unknown_labels: Literal['error', 'wrong', 'skip'] | None = None,
    min_score: float | None = None,
    min_margin: float | None = None,
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    aggregation: Literal['first', 'average', 'max'] = 'first',
    mlm_probability: float | None = None,
    seed: int = 42,
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    doc_stride: int | None = None,
    max_answer_length: int | None = None,
    null_threshold: float | None = None,
    breakdown: bool = False,
    stride: int | None = None,
    ngrams_of: Sequence[str | PathLike[str]] | str = ...,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    measure: Literal['translation', 'summary'] | None = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical_p: float = 1.0,
    beams: int = 1,
    length_penalty: float = 1.0,
    repetition_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
    sequences: int = 1,
    stop: Sequence[str] | str = ...,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    prompt_query: str | None = None,
    prompt_document: str | None = None,
    pair_threshold: float | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    batch_size: int = 32,
    max_length: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    fail_over: Mapping[str, Any] = ...,
    save: bool = True,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Measure a trained model on labelled data. Prints the figures, and adds them to
    the record of a run folder.

    Works for a run folder, a plain Transformers folder and a hub model; a masked language model is measured on plain text.
    Without data it is measured on the rows that its run held out.

    `fail_under accuracy=0.9` makes CI fail (exit code 1) when the model is worse.

    Args:
        model: Run folder, model folder or hub name.
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        split: Split to measure. Default: all but train; train if there is no other; without data test,
            else validation.
        breakdown_by: Show figures of groups of rows: by the values of a column, a file with a line for
            each row, or the files of the data.
        fail_under: Exit with 1 if a metric is lower (repeatable).
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification,
            zero-shot-classification, zero-shot-by-embedding.
        per_class: Show precision, recall and F1 of each class. For text-classification,
            token-classification, zero-shot-classification, zero-shot-by-embedding.
        unknown_labels: Rows whose label the model does not have: stop, count them as wrong, or leave
            them out. Default: wrong up to 5 % of the rows, error beyond. For text-classification,
            token-classification, zero-shot-classification, zero-shot-by-embedding.
        min_score: Measure the answers from this score on, and show what share of answers has which
            score; 0: all. Default: all, without the table. For text-classification, question-answering,
            zero-shot-classification, zero-shot-by-embedding.
        min_margin: Measure the answers whose score is so much or more above that of the next label, and
            show what share has which margin; 0: all. Default: all, without the table. For
            text-classification, zero-shot-classification, zero-shot-by-embedding.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        aggregation: Tag of a word from its tokens: the first, their average, or the surest. For
            token-classification.
        mlm_probability: Masked LM: share of the tokens predicted. Default: as trained, or 0.15. For
            fill-mask.
        seed: Masked LM: seed of the masks. For fill-mask, text2text-generation.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        doc_stride: QA: tokens that windows of a long context share. Default: as trained, or 128. For
            question-answering.
        max_answer_length: QA: most tokens per answer. Default: as trained, or 30. For
            question-answering.
        null_threshold: QA: no answer where its score is more than this above the best answer's (a
            larger value answers more). Default: as tuned in training; a model from elsewhere always
            answers. For question-answering.
        breakdown: QA: show F1 by question word and by length of the answer. For question-answering.
        stride: Models that write: tokens from one window of a long text to the next; fewer: more is
            read before each. Default: max_length. For text-generation.
        ngrams_of: Minimal pairs: text in which 1 to 5 tokens are counted, to compare with: that of the
            training. For text-generation.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        measure: Text to text: judge by BLEU and chrF, or by ROUGE. Default: as trained, else summary
            where targets are less than half as long as texts. For text2text-generation.
        max_new_tokens: Tokens that are written at most. Default: the model's, else 128. For
            text2text-generation.
        temperature: Draw tokens; below 1 the likely ones more often. 0: always the most likely one. For
            text2text-generation.
        top_k: Draw one of the N most likely tokens; 0: of all. For text2text-generation.
        top_p: Draw one of those with this probability together. For text2text-generation.
        min_p: Draw one with at least this share of the best one's probability. For
            text2text-generation.
        typical_p: Draw one of typical surprise, of those with this probability together. For
            text2text-generation.
        beams: Continuations followed side by side, for the most likely text. Default: the model's, else
            1. For text2text-generation.
        length_penalty: Beams: above 0 favours longer texts, below 0 shorter ones. For
            text2text-generation.
        repetition_penalty: Make tokens that stand there less likely (1.2). For text2text-generation.
        no_repeat_ngram: No N tokens in a row come twice; 0: any may. For text2text-generation.
        sequences: Texts for each prompt. For text2text-generation.
        stop: Text that ends the writing, and is left out (repeatable). For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        label_names: Names of labels that are numbers, from 0. For sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all. For sentence-embedding.
        prompt_query: Text to put before the first text of each row, a query or question. Default: where
            documents are searched the model's prompt for queries, else as prompt. For
            sentence-embedding.
        prompt_document: Text to put before the texts that are compared with it. Default: where
            documents are searched the model's prompt for documents, else as prompt. For
            sentence-embedding.
        pair_threshold: Pairs of 0 and 1: show precision and recall of the pairs that are so much alike
            or more. Default: the threshold of the best F1, chosen on the same pairs. For
            sentence-embedding.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        batch_size: Inputs per forward pass.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        fail_over: Exit with 1 if a metric is higher (repeatable).
        save: Add the figures to the nlpkit.json of a run folder.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def explain(
    model: str | PathLike[str],
    texts: Data | None = None,
    data: str | PathLike[str] | None = None,
    *,
    input: Data | None = None,
    method: Sequence[str] | str = ...,
    target: str | None = None,
    counterfactual: Literal['remove', 'mask', 'replace', 'synonyms'] | None = None,
    show: Literal['words', 'attention'] = 'words',
    output: str | PathLike[str] | None = None,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    all_scores: Literal['columns'] | bool = False,
    min_score: float | None = None,
    abstain_label: str | None = None,
    min_margin: float | None = None,
    text_pair: Sequence[str] | str = ...,
    aggregation: Literal['first', 'average', 'max'] = 'first',
    top_k: int = 5,
    hint: Sequence[str] | str = ...,
    hint_column: str | None = None,
    question_column: str | None = None,
    context_column: str | None = None,
    doc_stride: int | None = None,
    max_answer_length: int | None = None,
    null_threshold: float | None = None,
    question: Sequence[str] | str = ...,
    context: str | None = None,
    context_file: str | PathLike[str] | None = None,
    n_best: int | None = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical_p: float = 1.0,
    beams: int = 1,
    length_penalty: float = 1.0,
    repetition_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
    sequences: int = 1,
    stop: Sequence[str] | str = ...,
    seed: int = 42,
    show_probabilities: bool = False,
    runners_up: int = 3,
    prefix: str = '',
    chat: bool = False,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    batch_size: int = 32,
    max_length: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    max_errors: float = 0,
    overwrite: bool = False,
    by: Literal['words', 'tokens'] = 'words',
    filler: str | PathLike[str] | None = None,
    synonyms: str | PathLike[str] | None = None,
    evaluate: bool = False,
    max_rows: int = 100,
    bounds: int = 10,
    layer: int | None = None,
    head: int | None = None,
    stack: Literal['encoder', 'decoder', 'cross'] | None = None,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Tell which words an answer of a model hangs on, and how far that can be believed.
    Prints a table for each text; output writes a file.

    Each word gets what it is worth to the answer, by method. Below stand two figures, measured on this very model and
    text: how much less sure it is without the strongest words (comprehensiveness: high is good), and with these alone
    (sufficiency: low is good), both beside scores that are drawn at random. A method that is not above them tells nothing.

    Args:
        model: Run folder, model folder or hub name.
        texts: Texts to answer for.
        data: File whose rows methods are judged on. (only with evaluate)
        input: File with rows, or - for standard input (txt without format); or the rows themselves.
        method: Ways to tell what words are worth: erasure, occlusion, integrated-gradients,
            weighted-rollout, masked-copies, shapley; all.
        target: Explain this: a label, a word. Default: its answer.
        counterfactual: Seek the fewest words to change the answer. Default: no.
        show: Words, or attention of heads.
        output: File to write: jsonl, html (a page); of attention html, png. Default: print.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, sentence-embedding, zero-shot-by-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, sentence-embedding, zero-shot-by-embedding.
        all_scores: Give the score of every label: as one entry, or as columns, one for each label. For
            text-classification, zero-shot-classification, zero-shot-by-embedding.
        min_score: Give no answer below this score. Default: give every answer. For text-classification,
            token-classification, question-answering, zero-shot-classification, zero-shot-by-embedding.
        abstain_label: What stands for an answer below min_score or min_margin. Default: nothing. (only
            with min_score or min_margin) For text-classification, zero-shot-classification,
            zero-shot-by-embedding, question-answering.
        min_margin: Give no answer whose score is less than this above that of the next label. Default:
            give every answer. For text-classification, zero-shot-classification,
            zero-shot-by-embedding.
        text_pair: Second text of a pair, one for each TEXT (repeatable). For text-classification,
            sentence-embedding.
        aggregation: Tag of a word from its tokens: the first, their average, or the surest. For
            token-classification.
        top_k: Masked LM: candidates for each mask. For fill-mask, text-generation,
            text2text-generation.
        hint: Masked LM: what the model reads before TEXT, as its translation (repeatable: one for all,
            or one for each). For fill-mask.
        hint_column: Masked LM: column of such hints. For fill-mask.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        doc_stride: QA: tokens that windows of a long context share. Default: as trained, or 128. For
            question-answering.
        max_answer_length: QA: most tokens per answer. Default: as trained, or 30. For
            question-answering.
        null_threshold: QA: no answer where its score is more than this above the best answer's (a
            larger value answers more). Default: as tuned in training; a model from elsewhere always
            answers. For question-answering.
        question: Question about context (repeatable; TEXT is the same). For question-answering.
        context: Text that holds the answers to the questions. For question-answering.
        context_file: The same, from a text file. For question-answering.
        n_best: QA: answers to each question, best first. Default: 1 shown, 5 in files and JSON. For
            question-answering.
        max_new_tokens: Tokens that are written at most. Default: the model's, else 128. For
            text-generation, text2text-generation.
        temperature: Draw tokens; below 1 the likely ones more often. 0: always the most likely one. For
            text-generation, text2text-generation.
        top_p: Draw one of those with this probability together. For text-generation,
            text2text-generation.
        min_p: Draw one with at least this share of the best one's probability. For text-generation,
            text2text-generation.
        typical_p: Draw one of typical surprise, of those with this probability together. For
            text-generation, text2text-generation.
        beams: Continuations followed side by side, for the most likely text. For text-generation,
            text2text-generation.
        length_penalty: Beams: above 0 favours longer texts, below 0 shorter ones. For text-generation,
            text2text-generation.
        repetition_penalty: Make tokens that stand there less likely (1.2). For text-generation,
            text2text-generation.
        no_repeat_ngram: No N tokens in a row come twice; 0: any may. For text-generation,
            text2text-generation.
        sequences: Texts for each prompt. For text-generation, text2text-generation.
        stop: Text that ends the writing, and is left out (repeatable). For text-generation,
            text2text-generation.
        seed: Seed of what is drawn. For text-generation, text2text-generation.
        show_probabilities: Show how likely each token was. For text-generation, text2text-generation.
        runners_up: Tokens listed beside each that was written. (only with show_probabilities) For
            text-generation, text2text-generation.
        prefix: Text that stands before each prompt. For text-generation, text2text-generation.
        chat: Each prompt is what a user says, in the model's chat template. For text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all. For sentence-embedding.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        batch_size: Inputs per forward pass.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        max_errors: Exit with 1 if more rows of input have no answer: a number, or a share below 1.
        overwrite: Replace output if it exists.
        by: What is hidden together.
        filler: Model that fills masks, for other words. (only with counterfactual replace)
        synonyms: Table of synonyms: tabs, columns lemma and synonyms. (only with counterfactual
            synonyms)
        evaluate: Judge method all on the rows of data: a table.
        max_rows: Rows that are drawn of it. (only with evaluate)
        bounds: Rows of which the best and the worst order of words are sought, for figures that compare
            between models. (only with evaluate)
        layer: Layer to draw, counted from 1. Default: the last. (only with show attention)
        head: Head to draw, counted from 1. Default: the mean of all, and a grid of every head. (only
            with show attention)
        stack: Of a model with encoder and decoder: whose attention to draw. Default: cross: what the
            decoder reads of the text. (only with show attention)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def finetune_cls(
    data: Data | None = None,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    few_shot: bool = False,
    model: str | PathLike[str] = 'minilm',
    epochs: float = 3.0,
    learning_rate: float = 5e-05,
    baseline: bool | Sequence[Literal['logistic', 'svm', 'bayes', 'ridge', 'word2vec', 'lstm', 'cnn', 'all']] | str | Literal['logistic', 'svm', 'bayes', 'ridge', 'word2vec', 'lstm', 'cnn', 'all'] = False,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    dry_run: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    cv: int | None = None,
    heads: Sequence[Literal['logistic', 'knn', 'mlp']] | str | Literal['logistic', 'knn', 'mlp'] = ...,
    label_texts: str | PathLike[str] | None = None,
    few_shot_curve: Sequence[int] | str | int = ...,
    label_next: str | PathLike[str] | None = None,
    label_next_rows: int = 10,
    calibrate: bool = True,
    text_pair_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    max_length: int | None = None,
    label_delimiter: str | None = None,
    label_names: Sequence[str] | str = ...,
    problem: Literal['auto', 'binary', 'multi-class', 'multi-label', 'regression', 'relevance'] = 'auto',
    threshold: float = 0.5,
    long_text: Literal['truncate', 'head-tail', 'windows'] = 'truncate',
    class_weights: str = 'none',
    label_smoothing: float = 0.0,
    oversample: bool = False,
    word_vectors: str | PathLike[str] | None = None,
    pooling: Literal['cls', 'mean'] | None = None,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Fine-tune a model to classify or score texts and text pairs. Writes a run folder: model,
    metrics, wrong answers, plots, model card.

    Binary, multi-class, multi-label and regression are told apart by the labels (problem overrides).

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        text_column: Column of the text. Default: guessed.
        label_column: Column of the label. Default: guessed.
        few_shot: Few labels: compare ways to learn, keep the best.
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        epochs: Passes over the train split. Default: by rows.
        learning_rate: Peak learning rate. Default: by task and model size.
        baseline: Also train logistic|svm|bayes|word2vec|lstm|cnn|all.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        dry_run: Check data and model, show the plan, stop.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device. Default: 16; 32 from 2,000 rows on.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch;
            each tenth of all where more than 10 are chosen.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        heads: With freeze encoder: compare these heads by cross-validation, keep the best that a stock
            model can hold: logistic, mlp, knn. (not with few_shot; only with freeze encoder)
        label_texts: What each label means, learnt from as a row: JSON {label: text or [texts]}; none:
            rows alone. Default: the names of labels that are words. (only with few_shot)
        few_shot_curve: Also learn from N rows per label, drawn ten times from train, judged on
            validation: a table with intervals. (only with few_shot)
        label_next: File of rows without labels: list those to label next, by how unsure the model is
            and how unlike they are. (only with few_shot or heads)
        label_next_rows: Rows that label_next lists. (only with label_next)
        calibrate: Divide logits by a temperature fitted on validation, where that makes scores truer
            (Guo et al. 2017).
        text_pair_column: Column of the second text of a pair.
        label_columns: Columns of 0 and 1, one for each label.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        label_delimiter: Separator of several labels in one cell (makes it multi-label).
        label_names: Names of labels that are numbers, or places in lists of 0 and 1: from 0.
        problem: What the labels ask for; relevance: a number from 0 to 1 (rerankers).
        threshold: Multi-label: probability from which a label is given.
        long_text: Longer texts: cut the end, keep a quarter head and the tail (Sun 2019), or pool
            windows.
        class_weights: Loss weight per class: none, balanced (n / (classes * count)), or a JSON file
            {label: weight}.
        label_smoothing: Share of the target spread over all classes.
        oversample: Draw rare classes as often as the most frequent one.
        word_vectors: Vectors that word2vec, lstm, cnn begin with: of train-vectors, or a file of
            word2vec, GloVe or fastText. Default: learnt from train. (only with baseline word2vec, lstm,
            cnn, all)
        pooling: What a new head reads: the first token, or the mean of all, by one more layer where the
            stock class has none. Default: of pairs the mean, of an encoder whose folder says so; else
            as the stock class.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def finetune_embed(
    data: Data | None = None,
    *,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    validation_file: Data | None = None,
    model: str | PathLike[str] = 'minilm',
    epochs: float = 3.0,
    batch_size: int = 32,
    output: str | PathLike[str] | None = None,
    dry_run: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    learning_rate: float = 5e-05,
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    resume: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    baseline: bool = False,
    cv: int | None = None,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_column: str | None = None,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    max_length: int | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    prompt_query: str | None = None,
    prompt_document: str | None = None,
    loss: Literal['multiple-negatives-ranking', 'cached-multiple-negatives-ranking', 'guided', 'cached-guided', 'triplet', 'contrastive', 'online-contrastive', 'cosent', 'angle', 'cosine-mse', 'batch-hard-triplet', 'batch-all-triplet', 'simcse', 'tsdae', 'mse', 'margin-mse'] | None = None,
    scale: float | None = None,
    margin: float | None = None,
    relative_margin: bool = False,
    symmetric: bool = False,
    mini_batch_size: int = 32,
    guide: str | PathLike[str] | None = None,
    matryoshka: Sequence[str] | str = ...,
    mine_negatives: int | None = None,
    mine_by: Literal['dense', 'bm25', 'both'] = 'dense',
    mine_with: str | PathLike[str] | None = None,
    corpus: str | PathLike[str] | None = None,
    negatives_margin: str = '5%',
    negatives_max_score: float | None = None,
    negatives_skip: int = 0,
    save_negatives: str | PathLike[str] | None = None,
    from_cross_encoder: str | PathLike[str] | None = None,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Fine-tune a model to give like vectors to texts that belong together. Writes a run folder: model,
    metrics, plots, model card.

    The kind of rows chooses the loss (shape, loss): pairs that belong together, perhaps with texts that do not;
    triplets; pairs with a score or with 0 and 1; inference pairs. Columns are told by their names.

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        shape: Kind of the rows. Default: from the columns.
        validation_file: File of the validation split; or the rows themselves.
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        epochs: Passes over the train split.
        batch_size: Rows per step on each device.
        output: Run folder to write. Default: runs/<data>-<model>.
        dry_run: Check data and model, show the plan, stop.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        learning_rate: Peak learning rate (BERT paper: 2e-5 to 5e-5; smaller models take more).
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        resume: Go on with the interrupted run in output.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        baseline: Also train a classical model, for comparison.
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        text_column: Column of the text (anchor, query, sentence1, ...). Default: guessed.
        text_pair_column: Column of the second text, or of the one that belongs to it.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them.
        label_column: Column of the score of two texts, or of the label. Default: guessed.
        label_names: Names of labels that are numbers, from 0.
        vector_column: Column of vectors to learn, lists of numbers.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one.
        prompt_name: Name of one of the model's prompts to put before each text.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all.
        prompt_query: Text to put before the first text of each row, a query or question. Default: where
            documents are searched the model's prompt for queries, else as prompt.
        prompt_document: Text to put before the texts that are compared with it. Default: where
            documents are searched the model's prompt for documents, else as prompt.
        loss: What is trained for, of the losses that suit the rows. Default: by the kind of rows.
        scale: Factor of similarities, 1 / temperature. Default: 20, as sentence-transformers has it (a
            temperature of 0.05); 100 with guides; 1 for products. (only with loss
            multiple-negatives-ranking, cached-multiple-negatives-ranking, guided, cached-guided,
            cosent, angle, simcse, margin-mse)
        margin: How much nearer what belongs together must be; with a guide: how far below the positive
            a negative must be. Default: 0.2 of triplets (FaceNet), 0.5 of contrastive pairs, 0 with a
            guide. (only with loss guided, cached-guided, triplet, contrastive, online-contrastive,
            batch-hard-triplet, batch-all-triplet)
        relative_margin: The margin is a share of the similarity that the guide gives the pair. (only
            with loss guided, cached-guided)
        symmetric: Rank anchors for each positive too. (only with loss multiple-negatives-ranking,
            cached-multiple-negatives-ranking, simcse)
        mini_batch_size: Rows that are computed at once. (only with loss
            cached-multiple-negatives-ranking, cached-guided)
        guide: Embedder whose nearer texts are no negatives. (only with loss guided, cached-guided)
        matryoshka: Train the first N numbers of each vector too (Kusupati et al. 2022), with a weight
            each.
        mine_negatives: Find N texts for each pair that look like its second text and do not belong to
            it. (not with cv)
        mine_by: Find them by vectors, by shared words, or both by turns. (only with mine_negatives)
        mine_with: Embedder by whose vectors texts are compared. Default: model. (only with
            mine_negatives)
        corpus: File of further texts to find them in, one per line. (only with mine_negatives)
        negatives_margin: How far below the cosine of the pair that of a negative stays: a share of it
            (5%, as in NV-Retriever), a number, or none. (only with mine_negatives)
        negatives_max_score: Highest cosine of a negative. (only with mine_negatives)
        negatives_skip: Pass over the K nearest of those that are left. (only with mine_negatives)
        save_negatives: Write the rows with their negatives, to train on again. (only with
            mine_negatives)
        from_cross_encoder: Learn by how much a cross-encoder prefers the positive to each negative
            (margin-mse). (not with cv)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def finetune_ner(
    data: Data | None = None,
    *,
    text_column: str | None = None,
    tag_column: str | None = None,
    model: str | PathLike[str] = 'minilm',
    epochs: float = 3.0,
    learning_rate: float = 5e-05,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    baseline: bool = False,
    cv: int | None = None,
    calibrate: bool = True,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    max_length: int | None = None,
    label_all_tokens: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Fine-tune a model to tag words: named entities, phrases, parts of speech. Writes
    a run folder: model, metrics, wrong answers, plots, model card.

    Reads CoNLL columns, lists of words and tags, and texts with character spans; how entities are written (BIO, IOB1,
    BIOES, IO) is found out, and what several columns hold (column pos, chunk or ner).

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        text_column: Column of the text. Default: guessed.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed.
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        epochs: Passes over the train split. Default: by rows.
        learning_rate: Peak learning rate. Default: by task and model size.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device. Default: 16; 32 from 2,000 rows on.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch;
            each tenth of all where more than 10 are chosen.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        baseline: Also train a classical model, for comparison.
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        calibrate: Divide logits by a temperature fitted on validation, where that makes scores truer
            (Guo et al. 2017).
        column: Which tags to take where there are several. Default: ner, else chunk, else pos.
        scheme: How entities are written as tags; plain: a tag stands for itself.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        label_all_tokens: Train on every token of a word, not on its first alone.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def finetune_qa(
    data: Data | None = None,
    *,
    question_column: str | None = None,
    context_column: str | None = None,
    model: str | PathLike[str] = 'minilm',
    epochs: float = 3.0,
    learning_rate: float = 5e-05,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    baseline: bool = False,
    cv: int | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    max_length: int | None = None,
    doc_stride: int = 128,
    max_answer_length: int = 30,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Fine-tune a model to answer questions with a piece of a text. Writes a run
    folder: model, metrics, wrong answers, plots, model card.

    Data as of SQuAD 1.1 and 2.0, and rows of that kind. Where some questions have no answer, the model learns to say so;
    the threshold is tuned on validation and kept.

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        question_column: QA: column of the question. Default: guessed.
        context_column: QA: column of the text that holds the answer. Default: guessed.
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        epochs: Passes over the train split. Default: by rows.
        learning_rate: Peak learning rate. Default: by task and model size.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device. Default: 16; 32 from 2,000 rows on.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch;
            each tenth of all where more than 10 are chosen.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        baseline: Also train a classical model, for comparison.
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed.
        id_column: QA: column of the question's id. Default: guessed.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        doc_stride: QA: tokens that windows of a long context share (BERT's SQuAD script).
        max_answer_length: QA: most tokens per answer (BERT's SQuAD script).
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def finetune_seq2seq(
    data: Data | None = None,
    *,
    text_column: str | None = None,
    target_columns: Sequence[str] | str = ...,
    model: str | PathLike[str] | None = None,
    arch: Literal['marian', 'bart', 't5'] = 'bart',
    epochs: float = 3.0,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 0.0,
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    learning_rate: float = 5e-05,
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    seeds: Sequence[int] | str | int = ...,
    lr_finder: str | PathLike[str] | None = None,
    baseline: bool = False,
    cv: int | None = None,
    size: Literal['nano', 'tiny', 'mini', 'small', 'base'] = 'nano',
    encoder: str | PathLike[str] | None = None,
    decoder: str | PathLike[str] | None = None,
    encoder_layers: int | None = None,
    decoder_layers: int | None = None,
    hidden_size: int | None = None,
    heads: int | None = None,
    intermediate_size: int | None = None,
    max_positions: int | None = None,
    vocab_size: int | None = None,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    measure: Literal['translation', 'summary'] | None = None,
    length_ratio: float | None = None,
    max_words: int | None = None,
    drop_copies: bool = False,
    drop_repeats: bool = False,
    max_length: int | None = None,
    max_target_length: int | None = None,
    beams: int | None = None,
    separator: str | None = None,
    label_smoothing: float = 0.1,
    optimizer: Literal['adamw', 'muon'] = 'adamw',
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Train a model to turn a text into another: a translation, a summary, an answer. Writes a run folder: model, metrics,
    worst texts, plots, model card.

    From weights (T5, BART, Marian and the like; GPT-2 and Llama learn to answer a prompt), of two models that are joined
    (encoder, decoder), or small from scratch with arch and a tokenizer that is learned from the rows. What the model
    writes is judged, by BLEU or ROUGE.

    Args:
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        text_column: Column of the text. Default: guessed.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed.
        model: Folder or hub name of the model to begin with. Default: none: arch.
        arch: Architecture from scratch. (not with model; not with encoder or decoder)
        epochs: Passes over the train split. Default: 3; 30 from scratch.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Share of train held out as a test split where there is none, before anything else;
            half: half of validation. Default: 0.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        learning_rate: Peak learning rate (BERT paper: 2e-5 to 5e-5; smaller models take more). Default:
            from scratch 5e-3 x 128 / width, at most 1e-2; 5e-5 with model.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        seeds: Train once with each of these seeds, keep the model that is best on validation, show the
            spread; the rows that are held out are those of seed.
        lr_finder: Range test (Smith 2017): try growing rates for 100 steps, draw the losses to
            FILE.png, suggest one, stop. (not with cv or seeds or resume or dry_run or baseline or
            push_to_hub)
        baseline: Also train a classical model, for comparison.
        cv: Cross-validation: cut the rows into N folds, judge each by a model trained on the others;
            the saved model is that of the run without it. (not with seeds)
        size: Layers on each side/width: 4/128 to 6/512. (not with model; not with encoder or decoder)
        encoder: Model that reads, joined with one that writes. (not with model; only with decoder)
        decoder: Model that writes (BERT, RoBERTa, GPT-2), of the same tokenizer as encoder. (not with
            model; only with encoder)
        encoder_layers: Layers that read. Default: by size. (not with model; not with encoder or
            decoder)
        decoder_layers: Layers that write. Default: by size. (not with model; not with encoder or
            decoder)
        hidden_size: Width of the hidden states. Default: by size. (not with model; not with encoder or
            decoder)
        heads: Attention heads. Default: by size; width / 64. (not with model; not with encoder or
            decoder)
        intermediate_size: Width of the feed-forward layer. Default: by size; 4 x width. (not with
            model; not with encoder or decoder)
        max_positions: Longest text of a model from scratch, in tokens (not t5). Default: max_length.
            (not with model; not with encoder or decoder)
        vocab_size: Pieces of the tokenizer that is learned from sources and targets. Default: by the
            rows: 8,000 for 29,000 pairs. (not with model; not with encoder or decoder; not with
            tokenizer)
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing.
        prefix_column: Column of a text that stands before each text. Default: none.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's.
        measure: Text to text: judge by BLEU and chrF, or by ROUGE. Default: as trained, else summary
            where targets are less than half as long as texts.
        length_ratio: Leave out rows of train of which one side has over N times the words of the other
            (Moses: 9). Default: none.
        max_words: Leave out rows of train of which a side has more than N words. Default: none.
        drop_copies: Leave out rows of train that are to be written as they are read.
        drop_repeats: Leave out rows of train that repeat an earlier one.
        max_length: Tokens per text; the rest is cut or windowed. Default: from the data.
        max_target_length: Tokens of what is to be written; the rest is cut. Default: from the data.
        beams: Continuations followed side by side, at the end of training and by default afterwards.
            Default: the model's, else 1.
        separator: Models without an encoder: what stands between a text and its answer. Default: a line
            end.
        label_smoothing: Share of the probability that is spread over all tokens (Vaswani et al. 2017).
        optimizer: AdamW; or Muon for matrices within layers (Jordan et al. 2024), with AdamW for all
            else. Default: muon from scratch, adamw with model.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def index(
    data: Sequence[str | PathLike[str]] | str = ...,
    *,
    text_column: str | None = None,
    id_column: str | None = None,
    model: str | PathLike[str] = 'minilm',
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    passage_tokens: int | None = None,
    calibrate: str | PathLike[str] | None = None,
    max_false_answers: float = 0.05,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = 'sentence-embedding',
    batch_size: int = 256,
    max_length: int | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    batch_tokens: int | None = None,
    prompt_query: str | None = None,
    prompt_document: str | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    title_column: str | None = None,
    overlap: int = 32,
    dtype: Literal['fp32', 'fp16', 'int8', 'binary'] = 'int8',
    exact_up_to: int = 300000,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Make documents searchable by meaning and by words. Writes a folder for
    `nlpkit.search(...)`, or brings it up to date: only new texts are embedded.

    data has all that is to be found: csv, jsonl, parquet or text files, folders of .txt and .md files, the corpus of a
    BEIR folder, the paragraphs of SQuAD. Documents that are longer than the model reads are cut into passages. What was
    interrupted goes on. calibrate settles on judged questions whether words, meaning or both are searched, and when the
    index has no answer.

    Args:
        data: Files, folders, globs, - for a pipe (repeatable).
        text_column: Column of the text. Default: guessed.
        id_column: Column of what a document is known by; '' for none. Default: _id, id, docid, ....
        model: Folder or hub name of the model; `minilm` is all-MiniLM-L6-v2.
        output: Folder of the index, made or brought up to date.
        overwrite: Begin output anew.
        passage_tokens: Cut documents into passages of at most N tokens; 0 leaves them whole. Default:
            what the model reads.
        calibrate: Settle on judged questions how to search: BEIR, pairs, SQuAD.
        max_false_answers: Share of unanswerable questions that may get an answer; without calibrate an
            estimate.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it.
        batch_size: Texts per forward pass, at most.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one.
        prompt_name: Name of one of the model's prompts to put before each text.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all.
        batch_tokens: Tokens per forward pass, at most, with padding, unless one text has more. Default:
            1,024 on a CPU, whose caches hold that; 32,768 on a GPU.
        prompt_query: Text to put before each question. Default: the model's prompt for queries, else
            none.
        prompt_document: Text to put before each document. Default: the model's prompt for documents,
            else none.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        title_column: Column that stands before the text; '' for none. Default: title, where the text is
            guessed.
        overlap: Tokens that a passage has in common with the one before it.
        dtype: How a number of a vector is stored.
        exact_up_to: Passages up to which every vector is compared; a graph (HNSW) beyond.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def list_learn(
    topic: str | None = None,
    model: str | PathLike[str] | None = None,
    data: Data | None = ...,
    *,
    text: Sequence[str] | str = ...,
    layer: int | None = None,
    seeds: Sequence[int] | str | int = ...,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    output: str | PathLike[str] | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    text_column: str | None = None,
    data_config: str | None = None,
    data_split: str = 'train',
    data_revision: str | None = None,
    seed: int = 42,
    overwrite: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Show the pieces of a Transformer at work, on a model and a text of yours.
    Writes figures and pictures to a folder.

    Each piece (nlpkit/learn/pieces/) is a few lines of torch beside its formula and its paper: docs/learn/ explains them. A
    topic runs its piece with the weights of the model, tells how far the result is from what the model itself computes, and
    draws it. Without RUN the model is a small BERT with weights that are drawn. An experiment (compare-...) trains variants
    of a small model with several seeds, and says what their losses tell. Without TOPIC all topics are listed.

    Args:
        topic: What to look at; without one: the list.
        model: Run folder, model folder or hub name; without one: a small random BERT. (only with the
            topics attention, masks, multi-head, positions, feed-forward, norms, encoder, decoder)
        data: Text to learn (repeatable); or the rows themselves. (only with the experiments,
            compare-...)
        text: Text to read (repeatable: a batch with padding). Default: a sentence. (only with the
            topics attention, masks, multi-head, feed-forward, norms, encoder, decoder)
        layer: Layer to draw, from 1. Default: all. (only with the topics attention, masks, multi-head)
        seeds: Seeds to train each variant with. Default: 1,2,3,4,5. (only with the experiments,
            compare-...)
        max_steps: Steps of each training. Default: of the experiment. (only with the experiments,
            compare-...)
        max_minutes: Take fewer steps, to end within N minutes. (only with the experiments, compare-...)
        output: Folder of the pictures. Default: runs/<topic>-<model>.
        model_revision: Revision of a hub model. (only with the topics attention, masks, multi-head,
            positions, feed-forward, norms, encoder, decoder; only with model)
        tokenizer: Folder or hub name of the tokenizer. Default: the model's. (only with the topics
            attention, masks, multi-head, positions, feed-forward, norms, encoder, decoder; only with
            model)
        allow_pickle: Load weights stored as pickle (they can run code). (only with model)
        trust_remote_code: Run model code that comes with the weights. (only with model)
        device: auto, cpu, cuda, cuda:1, mps. (only with the experiments, compare-...)
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU. (only with
            the topics compare-heads, compare-positions, compare-norms, compare-activations,
            compare-warm-up, compare-norm-places, compare-rnn)
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow. (only with
            the experiments, compare-...)
        format: Format of the files. Default: from their names. (only with the experiments, compare-...)
        encoding: Text encoding of the files. (only with the experiments, compare-...)
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header. (only with the experiments, compare-...)
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
            (only with the experiments, compare-...)
        columns: Names of the columns of files without a header. (only with the experiments,
            compare-...)
        text_column: Column of the text in tables. Default: guessed. (only with the experiments,
            compare-...)
        data_config: Configuration of a hub data set. (only with the experiments, compare-...)
        data_split: Split of a hub data set. (only with the experiments, compare-...)
        data_revision: Revision of a hub data set. (only with the experiments, compare-...)
        seed: Seed of weights that are drawn. (only with a piece)
        overwrite: Replace what is in output.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def list_recipes(
    action: Literal['list', 'show'] = 'list',
    name: str | None = None,
    *,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """List the experiments that ship as YAML files, or show one.

    `nlpkit finetune-cls --config sst2` runs one, where there is no file of that name. What an experiment is, how its rows
    are split and what has been published for it stands at the top of its file. `nlpkit recipes show NAME > mine.yaml` is a
    copy to change.

    Args:
        action: list: a table of all; show: the file of one.
        name: Recipe to show.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def list_runs(
    folder: str | PathLike[str] = ...,
    *,
    sort: Literal['name', 'metric', 'date', 'size', 'time'] = 'date',
    task: str | None = None,
    status: Literal['complete', 'running', 'interrupted', 'failed', 'damaged'] | None = None,
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """List run folders: what made them, on which data, how good they are, how large and old, and whether they are done.

    Looks in DIR and up to four folders below it; links are not followed. `running` is where a process is at work now,
    `interrupted` a run that can go on (the command stands below the table), `failed` one that an error has ended, `damaged`
    one whose record cannot be read.
    What all runs share is said once below the table. Nothing but their records is read, so that it takes no time.

    Args:
        folder: Folder to look in.
        sort: Order: newest, largest, longest first; metric: the best of each task and metric first.
        task: List only runs of this task.
        status: List only runs of this status.
        output: File to write the table to: csv, tsv, jsonl or parquet.
        overwrite: Replace output if it exists. (only with output)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def loadtest(
    url: str,
    *,
    input: Data | None = None,
    body: str | None = None,
    p99_ms: float = 50,
    rate: Sequence[float] | str | float = ...,
    seconds: float = 10,
    output: str | PathLike[str] | None = None,
    fail_over: Mapping[str, Any] = ...,
    model: str | None = None,
    api_key_file: str | PathLike[str] | None = None,
    i_own_this_host: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    seed: int = 42,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    order: Literal['shuffled', 'file'] = 'shuffled',
    ramp: str | None = None,
    burst: str | None = None,
    warmup_seconds: float = 1,
    beyond: float = 3,
    start_rate: float | None = None,
    max_rate: float = 10000,
    arrivals: Literal['poisson', 'even'] = 'poisson',
    connections: int = 512,
    timeout_seconds: float = 10,
    in_process: str | PathLike[str] | None = None,
    wait_seconds: float = 30,
    overwrite: bool = False,
    locust: str | PathLike[str] | None = None,
    fail_under: Mapping[str, Any] = ...,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Find how many requests a second a service holds, and what it does beyond. Prints figures;
    output writes them, plots and every request.

    Requests are sent when they are due, whether or not earlier ones are answered, and latency counts from then: a stall
    shows in all requests that it holds up. The highest rate with a p99 of at most p99_ms, and no request refused or
    failed, is the knee; then the service is loaded with 3 times as much. rate, ramp and burst are fixed schedules.
    Any service that answers JSON can be asked: name its path, and a request in body.

    Args:
        url: Address of the service, with a path where that is asked.
        input: File with texts, or - for a pipe (txt without format); or the rows themselves.
        body: JSON of a request, or a file: {"inputs": "{{ text }}"}, with a column. Default: as nlpkit
            serves.
        p99_ms: Time in which 99 of 100 are to be answered. (not with locust)
        rate: Requests a second, instead of looking for the most. (not with locust; not with ramp or
            burst)
        seconds: Seconds at each rate, or of the whole ramp or burst. (not with locust)
        output: Folder for figures and plots. Default: print. (not with locust)
        fail_over: Exit with 1 if it is higher: p99_ms=50, error_rate=0. (not with locust)
        model: Name of the model, where the service has several.
        api_key_file: File with the key of the service. Default: NLPKIT_API_KEY.
        i_own_this_host: Load a host other than this machine: it is yours, or you may.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        seed: Seed of arrivals and of the order of rows.
        text_column: Column of the text. Default: guessed.
        text_pair_column: Column of the second text, where the service takes pairs.
        order: How rows follow: each once a round in an order drawn anew, or as in the file.
        ramp: Rise evenly from A to B requests a second within seconds. (not with locust; not with rate
            or burst)
        burst: A requests a second, in the middle fifth of seconds B. (not with locust; not with rate or
            ramp)
        warmup_seconds: Seconds before, which do not count. (not with locust)
        beyond: After the search load it with so many times the knee; 0: not. (not with locust; not with
            rate, ramp, burst)
        start_rate: Rate at which the search begins. Default: half of what one request after the other
            gives. (not with locust; not with rate, ramp, burst)
        max_rate: Rate beyond which nothing is tried. (not with locust; not with rate, ramp, burst)
        arrivals: Requests come by chance, as those of many people do, or at equal distances. (not with
            locust)
        connections: Connections at once, at most; a request that waits for one counts from when it was
            due. (not with locust)
        timeout_seconds: A request without an answer after so long has failed. (not with locust)
        in_process: Run folder of the service's model: tell what HTTP costs over asking it in this
            process. (not with locust)
        wait_seconds: Wait so long for a service that is not ready yet.
        overwrite: Replace what an earlier load test left there.
        locust: Write a Locust file that sends these requests, and end.
        fail_under: Exit with 1 if it is lower: knee=100, goodput=90. (not with locust)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def predict(
    model: str | PathLike[str],
    texts: Data | None = None,
    *,
    input: Data | None = None,
    output: str | PathLike[str] | None = None,
    max_errors: float = 0,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    all_scores: Literal['columns'] | bool = False,
    min_score: float | None = None,
    abstain_label: str | None = None,
    min_margin: float | None = None,
    text_pair: Sequence[str] | str = ...,
    aggregation: Literal['first', 'average', 'max'] = 'first',
    top_k: int = 5,
    hint: Sequence[str] | str = ...,
    hint_column: str | None = None,
    question_column: str | None = None,
    context_column: str | None = None,
    doc_stride: int | None = None,
    max_answer_length: int | None = None,
    null_threshold: float | None = None,
    question: Sequence[str] | str = ...,
    context: str | None = None,
    context_file: str | PathLike[str] | None = None,
    n_best: int | None = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    typical_p: float = 1.0,
    beams: int = 1,
    length_penalty: float = 1.0,
    repetition_penalty: float = 1.0,
    no_repeat_ngram: int = 0,
    sequences: int = 1,
    stop: Sequence[str] | str = ...,
    seed: int = 42,
    show_probabilities: bool = False,
    runners_up: int = 3,
    prefix: str = '',
    chat: bool = False,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    batch_size: int = 32,
    max_length: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    shards: bool = False,
    jobs: int | None = None,
    engine: Literal['processes', 'ray'] | None = None,
    ray_address: str | None = None,
    retries: int = 3,
    output_format: str | None = None,
    overwrite: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Answer for texts or files with a trained model. Prints the answers; output
    writes them to a file.

    Takes texts as arguments, or rows from a file or standard input; a file's columns and order are kept and its memory is
    bounded, whatever its size. A row that cannot be read is kept with its error, and the exit code is 1 (max_errors).

    Args:
        model: Run folder, model folder or hub name.
        texts: Texts to answer for.
        input: File with rows, or - for standard input (txt without format); or the rows themselves.
        output: File to write: csv, tsv, jsonl or parquet; of tagged words also conll or html. Of many
            files a folder. Default: print.
        max_errors: Exit with 1 if more rows of input have no answer: a number, or a share below 1.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, sentence-embedding, zero-shot-by-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, sentence-embedding, zero-shot-by-embedding.
        all_scores: Give the score of every label: as one entry, or as columns, one for each label. For
            text-classification, zero-shot-classification, zero-shot-by-embedding.
        min_score: Give no answer below this score. Default: give every answer. For text-classification,
            token-classification, question-answering, zero-shot-classification, zero-shot-by-embedding.
        abstain_label: What stands for an answer below min_score or min_margin. Default: nothing. (only
            with min_score or min_margin) For text-classification, zero-shot-classification,
            zero-shot-by-embedding, question-answering.
        min_margin: Give no answer whose score is less than this above that of the next label. Default:
            give every answer. For text-classification, zero-shot-classification,
            zero-shot-by-embedding.
        text_pair: Second text of a pair, one for each TEXT (repeatable). For text-classification.
        aggregation: Tag of a word from its tokens: the first, their average, or the surest. For
            token-classification.
        top_k: Masked LM: candidates for each mask. For fill-mask, text-generation,
            text2text-generation.
        hint: Masked LM: what the model reads before TEXT, as its translation (repeatable: one for all,
            or one for each). For fill-mask.
        hint_column: Masked LM: column of such hints. For fill-mask.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        doc_stride: QA: tokens that windows of a long context share. Default: as trained, or 128. For
            question-answering.
        max_answer_length: QA: most tokens per answer. Default: as trained, or 30. For
            question-answering.
        null_threshold: QA: no answer where its score is more than this above the best answer's (a
            larger value answers more). Default: as tuned in training; a model from elsewhere always
            answers. For question-answering.
        question: Question about context (repeatable; TEXT is the same). For question-answering.
        context: Text that holds the answers to the questions. For question-answering.
        context_file: The same, from a text file. For question-answering.
        n_best: QA: answers to each question, best first. Default: 1 shown, 5 in files and JSON. For
            question-answering.
        max_new_tokens: Tokens that are written at most. Default: the model's, else 128. For
            text-generation, text2text-generation.
        temperature: Draw tokens; below 1 the likely ones more often. 0: always the most likely one. For
            text-generation, text2text-generation.
        top_p: Draw one of those with this probability together. For text-generation,
            text2text-generation.
        min_p: Draw one with at least this share of the best one's probability. For text-generation,
            text2text-generation.
        typical_p: Draw one of typical surprise, of those with this probability together. For
            text-generation, text2text-generation.
        beams: Continuations followed side by side, for the most likely text. For text-generation,
            text2text-generation.
        length_penalty: Beams: above 0 favours longer texts, below 0 shorter ones. For text-generation,
            text2text-generation.
        repetition_penalty: Make tokens that stand there less likely (1.2). For text-generation,
            text2text-generation.
        no_repeat_ngram: No N tokens in a row come twice; 0: any may. For text-generation,
            text2text-generation.
        sequences: Texts for each prompt. For text-generation, text2text-generation.
        stop: Text that ends the writing, and is left out (repeatable). For text-generation,
            text2text-generation.
        seed: Seed of what is drawn. For text-generation, text2text-generation.
        show_probabilities: Show how likely each token was. For text-generation, text2text-generation.
        runners_up: Tokens listed beside each that was written. (only with show_probabilities) For
            text-generation, text2text-generation.
        prefix: Text that stands before each prompt. For text-generation, text2text-generation.
        chat: Each prompt is what a user says, in the model's chat template. For text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all. For sentence-embedding.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        batch_size: Inputs per forward pass.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        shards: Answer each file of input, a pattern or a folder, into one of its own in the folder
            output. Default: when input names several and output a folder.
        jobs: Processes, each with the model and its part of the cores; on ray actors. Default: this
            one; on ray one for each node.
        engine: What runs them: this machine, or a Ray cluster. Default: processes.
        ray_address: Address of the cluster. Default: RAY_ADDRESS, else this machine. (only with engine
            ray)
        retries: How often a shard is tried again whose process died. (only with shards)
        output_format: Format of the files in the folder output. Default: predict: as the shard, else
            jsonl; embed: parquet. (only with shards)
        overwrite: Replace output if it exists.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def pretrain_clm(
    data: Data | None = None,
    *,
    document_end: str = 'blank-line',
    tokenizer: str | PathLike[str] | None = None,
    model: str | PathLike[str] | None = None,
    size: Literal['nano', 'tiny', 'mini', 'small', 'base'] = 'tiny',
    max_minutes: float | None = None,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    text_column: str | None = None,
    data_config: str | None = None,
    data_split: str = 'train',
    data_revision: str | None = None,
    validation_file: Data | None = None,
    validation_share: float = 0.05,
    max_eval_samples: int | None = None,
    max_length: int = 128,
    line_by_line: bool = False,
    isolate_documents: bool = True,
    streaming: bool = False,
    model_revision: str | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    arch: Literal['gpt2', 'llama', 'qwen3', 'nanochat'] = 'gpt2',
    layers: int | None = None,
    hidden_size: int | None = None,
    heads: int | None = None,
    intermediate_size: int | None = None,
    max_positions: int | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    epochs: float = 3.0,
    max_steps: int | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    learning_rate: float = 0.0005,
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.1,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: Literal['loss', 'accuracy'] = 'loss',
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    max_tokens: int | None = None,
    optimizer: Literal['adamw', 'muon'] = 'adamw',
    stride: int | None = None,
    baseline: Literal['ngram', 'lstm', 'both'] | None = None,
    sample: Sequence[str] | str = ...,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Pre-train a model that writes on running text, from scratch or further. Writes a run folder: model, tokenizer,
    record, plots.

    From scratch needs a tokenizer (`nlpkit train-tokenizer --style gpt2` makes one) and takes arch and size; model
    goes on with a pre-trained model. Text keeps its line ends and is packed into full windows; a document sees no other
    one. Loss, perplexity and bits per byte, which are comparable between tokenizers, and a sample are shown on the way.

    Args:
        data: Files, folders or globs, a hub data set, - for standard input (repeatable); or the rows
            themselves.
        document_end: Plain text: blank-line, file, or the LINE that ends a document. (not with
            line_by_line)
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        model: Folder or hub name of the model to go on with. Default: from scratch.
        size: Layers/width: 4/128 to 12/768. (not with model)
        max_minutes: Stop after N minutes of training.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        text_column: Column of the text in tables. Default: guessed.
        data_config: Configuration of a hub data set.
        data_split: Split of a hub data set.
        data_revision: Revision of a hub data set.
        validation_file: Text to validate on (repeatable); or the rows themselves. Default: held out of
            data.
        validation_share: Share of the lines held out for validation. (not with validation_file)
        max_eval_samples: Validate on at most N rows. Default: all; 500 streamed.
        max_length: Tokens per row (a block).
        line_by_line: Each line is a document, whose end the model learns.
        isolate_documents: No attention between the documents of a window.
        streaming: Read the corpus while training, without a copy on the disk: for very large corpora.
        model_revision: Revision of a hub model. (only with model)
        allow_pickle: Load weights stored as pickle (they can run code). (only with model)
        trust_remote_code: Run model code that comes with the weights.
        arch: Architecture from scratch. (not with model)
        layers: Transformer layers. Default: by size. (not with model)
        hidden_size: Width of the hidden states. Default: by size. (not with model)
        heads: Attention heads. Default: by size; width / 64. (not with model)
        intermediate_size: Width of the feed-forward layer. Default: 4 x width; llama and qwen3 8/3 x
            width. (not with model)
        max_positions: Longest input of a model from scratch, in tokens. Default: max_length. (not with
            model)
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        epochs: Passes over the train split.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        learning_rate: Peak learning rate. Default: 6e-4 x 768 / width, at most 3e-3; 5e-5 with model.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: Weight decay (GPT-3 paper); not on biases, norms.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: 10 times
            per run.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Validation metric that picks the best checkpoint.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        max_tokens: Stop after N tokens, whatever epochs says.
        optimizer: AdamW; or Muon for matrices within layers (Jordan et al. 2024), with AdamW for all
            else.
        stride: Tokens from one window to the next; fewer than max_length: windows overlap. Default:
            max_length.
        baseline: Beside the model: 1 to 5 tokens counted (Kneser-Ney); an LSTM of as many parameters on
            the same batches. (not with streaming)
        sample: Text that the model goes on from at each evaluation (repeatable). Default: the beginning
            of the validation text.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def pretrain_mlm(
    data: Data | None = None,
    *,
    tokenizer: str | PathLike[str] | None = None,
    model: str | PathLike[str] | None = None,
    arch: Literal['bert', 'roberta', 'distilbert', 'albert', 'electra', 'modernbert'] = 'bert',
    size: Literal['tiny', 'mini', 'small', 'medium', 'base'] = 'mini',
    max_minutes: float | None = None,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    text_column: str | None = None,
    data_config: str | None = None,
    data_split: str = 'train',
    data_revision: str | None = None,
    validation_file: Data | None = None,
    validation_share: float = 0.05,
    max_eval_samples: int | None = None,
    max_length: int = 128,
    line_by_line: bool = False,
    isolate_documents: bool = True,
    streaming: bool = False,
    text_pair_column: str | None = None,
    model_revision: str | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    layers: int | None = None,
    hidden_size: int | None = None,
    heads: int | None = None,
    intermediate_size: int | None = None,
    embedding_size: int | None = None,
    max_positions: int | None = None,
    objective: Literal['mlm', 'mlm+nsp', 'mlm+sop', 'rtd', 'tlm'] = 'mlm',
    mlm_probability: float = 0.15,
    mask_split: str = '80/10/10',
    whole_word_masking: bool = False,
    masking: Literal['dynamic', 'static'] = 'dynamic',
    generator_size: float = 0.25,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    epochs: float = 3.0,
    max_steps: int | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    learning_rate: float = 0.0005,
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.01,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: Literal['loss', 'accuracy'] = 'loss',
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    max_tokens: int | None = None,
    probe: Sequence[str] | str = ...,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Pre-train an encoder on running text, from scratch or further. Writes a run folder: model,
    tokenizer, record, plots.

    From scratch needs a tokenizer (`nlpkit.train_tokenizer(...)` makes one) and takes arch and size; model goes on with a
    pre-trained model (domain adaptation). Text is packed into full blocks, and the vocabulary head is computed at the
    masked positions only.

    Args:
        data: Files, folders or globs, a hub data set, - for standard input (repeatable); or the rows
            themselves.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        model: Folder or hub name of the model to go on with; without it a new one is made. Default:
            from scratch.
        arch: Architecture from scratch. (not with model)
        size: Layers/width: tiny 2/128, mini 4/256, small 4/512, medium 8/512, base 12/768. (not with
            model)
        max_minutes: Stop after N minutes of training; the learning rate is at its end by then.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        text_column: Column of the text in tables. Default: guessed.
        data_config: Configuration of a hub data set.
        data_split: Split of a hub data set.
        data_revision: Revision of a hub data set.
        validation_file: Text to validate on (repeatable); or the rows themselves. Default: held out of
            data.
        validation_share: Share of the lines held out for validation. (not with validation_file)
        max_eval_samples: Validate on at most N rows. Default: all; 500 streamed.
        max_length: Tokens per row (a block).
        line_by_line: A row is a line, batched with others of like length, instead of a full block.
            (only with objective mlm, rtd)
        isolate_documents: No attention between the documents of a block (a blank line or a table row
            ends one). (only with objective mlm, rtd; not with line_by_line)
        streaming: Read the corpus while training, without a copy on the disk: for very large corpora.
        text_pair_column: Column of the translation. (only with objective tlm)
        model_revision: Revision of a hub model. (only with model)
        allow_pickle: Load weights stored as pickle (they can run code). (only with model)
        trust_remote_code: Run model code that comes with the weights.
        layers: Transformer layers. Default: by size. (not with model)
        hidden_size: Width of the hidden states. Default: by size. (not with model)
        heads: Attention heads. Default: width / 64. (not with model)
        intermediate_size: Width of the feed-forward layer. Default: 4 x width; ModernBERT 1.5 x. (not
            with model)
        embedding_size: Width of the token embeddings (ALBERT, ELECTRA). Default: 128; ELECTRA base: the
            width. (not with model)
        max_positions: Longest input of a model from scratch, in tokens. Default: max_length. (not with
            model)
        objective: Masked LM, with next sentence or sentence order; replaced tokens (ELECTRA);
            translation LM.
        mlm_probability: Share of tokens predicted (BERT: 0.15).
        mask_split: Of these: mask token / random token / unchanged, in per cent.
        whole_word_masking: Mask all pieces of a word together.
        masking: Mask other tokens in each epoch (RoBERTa), or always the same.
        generator_size: Width of the generator relative to the discriminator. (only with objective rtd)
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        epochs: Passes over the train split.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        learning_rate: Peak learning rate. Default: 5e-4 from scratch (ELECTRA paper), 5e-5 with model.
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay (BERT paper); not on biases, norms.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: 10 times
            per run.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Validation metric that picks the best checkpoint.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        max_tokens: Stop after N tokens, whatever epochs says.
        probe: Sentence with <mask> to fill at each evaluation (repeatable).
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def probe(
    model: str | PathLike[str],
    data: Data | None = None,
    *,
    what: Literal['layers', 'heads', 'attention'] = 'layers',
    validation_file: Data | None = None,
    label: Sequence[str] | str = ...,
    layers: str | None = None,
    max_words: int = 20000,
    output: str | PathLike[str] | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    seed: int = 42,
    overwrite: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    pooling: Literal['mean', 'cls', 'last'] = 'mean',
    word: Literal['mean', 'first'] = 'mean',
    untrained: bool = True,
    text_column: str | None = None,
    validation_share: float = 0.1,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Find out what each layer of a model knows: parts of speech, dependencies, ...
    Prints a table by property; writes figures, pictures and a card to a folder.

    A linear classifier is trained on the states of each layer for each label: a column of words (CoNLL, CoNLL-U) or of
    rows (csv, jsonl, parquet), a feature of CoNLL-U (Tense), dependency (a word and its head), root-tense, length, and
    coreference for the GAP corpus. Beside it stand a control task of random labels that hang on the word (selectivity), an
    untrained model of the same shape, and what the word alone says. A mix of all layers tells which of them are read.
    what heads tells which attention head finds which relation of CoNLL-U, against the best fixed distance, and what heads
    look at whatever the sentence says; what attention learns a parser of the attention of all heads.

    Args:
        model: Run folder, model folder or hub name.
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        what: What layers know; what attention heads find; a parser of all heads.
        validation_file: File of the validation split; or the rows themselves.
        label: What is probed for: a column, a feature (Tense), dependency, root-tense, length,
            coreference; of heads: relations to draw. Default: of the data. (only with what layers,
            heads)
        layers: 0,3-6; 0 is the embeddings. Default: all. (only with what layers)
        max_words: Words to learn from, and to judge by; of texts without words: texts.
        output: Run folder to write. Default: runs/<data>-probe.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        seed: Seed of all that is drawn.
        overwrite: Replace an earlier run in output.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        pooling: What stands for a sentence: the mean of its tokens, the first, the last. (only with
            what layers)
        word: What stands for a word: the mean of its tokens, or the first. (only with what layers)
        untrained: Probe a model of the same shape with random weights too, which takes as long again.
            (only with what layers)
        text_column: Column of the text. Default: guessed. (only with what layers)
        validation_share: Share of train held out when there is no validation split.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def prune(
    model: str | PathLike[str],
    data: Data | None = None,
    *,
    what: Sequence[Literal['weights', 'ffn', 'heads', 'layers', 'vocabulary']] | str | Literal['weights', 'ffn', 'heads', 'layers', 'vocabulary'] = ...,
    sparsity: float | None = None,
    target_speedup: float | None = None,
    max_drop: float | None = None,
    distill: bool = False,
    epochs: float = 1.0,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    measure_seconds: float = 6.0,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    gradient_checkpointing: bool = False,
    compile: Literal['auto'] | bool = False,
    max_steps: int | None = None,
    max_minutes: float | None = None,
    early_stopping: int | None = None,
    batch_size: int = 32,
    eval_batch_size: int = 64,
    gradient_accumulation_steps: int = 1,
    batching: Literal['length', 'random'] = 'length',
    learning_rate: float = 5e-05,
    schedule: Literal['linear', 'cosine', 'constant', 'wsd', 'cosine_with_restarts', 'cosine_with_min_lr', 'cosine_warmup_with_min_lr', 'polynomial', 'inverse_sqrt', 'reduce_lr_on_plateau', 'greedy'] = 'linear',
    warmup: float = 0.06,
    weight_decay: float = 0.0,
    max_grad_norm: float = 1.0,
    layer_decay: float = 1.0,
    freeze: str = 'none',
    dropout: float | None = None,
    seed: int = 42,
    full_determinism: bool = False,
    eval_steps: int | float | None = None,
    logging_steps: int | float | None = None,
    best_metric: str | None = None,
    checkpoint_minutes: float = 10.0,
    trainer: Mapping[str, Any] = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    keep_checkpoints: bool = False,
    report_to: Literal['none', 'tensorboard', 'wandb', 'all'] = 'none',
    license: str | None = None,
    language: Sequence[str] | str = ...,
    push_to_hub: str | bool | None = None,
    public: bool = False,
    judge_test: bool = True,
    sweep: Sequence[float] | str | float = ...,
    vocab_from: Sequence[str | PathLike[str]] | str = ...,
    max_growth: float = 1.0,
    criterion: Literal['magnitude', 'random', 'movement', 'gradient'] | None = None,
    scope: Literal['layer', 'global'] = 'layer',
    include: Sequence[Literal['embeddings', 'biases']] | str | Literal['embeddings', 'biases'] = ...,
    rounds: int = 1,
    sparsity_schedule: Literal['cubic', 'linear'] = 'cubic',
    per_layer: bool = False,
    calibration_rows: int = 512,
    calibrate: bool = True,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 'half',
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    alpha: float = 0.5,
    temperature: float = 2.0,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Make a trained model sparse, or smaller, and show what that costs. Writes a run
    folder: the pruned model, metrics before and after, model card.

    what weights sets single weights to zero (by magnitude, at random, or by movement while it trains). what ffn, heads,
    layers takes structures out, which makes the model really smaller and faster; what vocabulary keeps the pieces that
    the training data and vocab_from=FILE need. Then the model is trained for epochs to recover, with distill=True from the
    unpruned model, and compared with it. The data are those that the model was trained on, unless others are named.

    Args:
        model: Run folder, model folder or hub name.
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        what: weights, or any of ffn, heads, layers, vocabulary. Default: weights; vocabulary with
            vocab_from.
        sparsity: Share to remove.
        target_speedup: Remove structures until it is N times as fast on this machine. (only with what
            ffn, heads, layers)
        max_drop: Remove as much as possible while the main metric falls by at most N points on
            validation, before recovery.
        distill: Recover with the unpruned model as a teacher. (only with epochs)
        epochs: Passes over the train split to recover; 0 = none. Default: 1; 0 where only the
            vocabulary is pruned.
        output: Run folder to write. Default: runs/<data>-<model>.
        resume: Go on with the interrupted run in output.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification,
            zero-shot-classification, zero-shot-by-embedding.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        label_names: Names of labels that are numbers, from 0. For sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        measure_seconds: Seconds of measuring the speed of each model in the end; 0 = leave it out.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        gradient_checkpointing: Save memory: recompute activations.
        compile: torch.compile the model, or (auto) only if steps of a long run find it faster.
        max_steps: Stop after N optimizer steps, whatever epochs says; -1: do not.
        max_minutes: Stop training after N minutes of wall time.
        early_stopping: Stop after N evaluations without a better metric.
        batch_size: Rows per step on each device.
        eval_batch_size: Rows per step on each device, in evaluation.
        gradient_accumulation_steps: Batches summed before a step.
        batching: Batches of rows of like length; or of random rows, as a plain Trainer trains.
        learning_rate: Peak learning rate (BERT paper: 2e-5 to 5e-5; smaller models take more).
        schedule: Course of the learning rate after warm-up; wsd: constant, then down in the last 10 %;
            trainer lr_scheduler_kwargs={...} is for the others, which are those of transformers.
        warmup: Warm-up: a share of all steps if below 1 (RoBERTa paper: 0.06), else steps.
        weight_decay: AdamW weight decay; biases and norms are exempt.
        max_grad_norm: Clip the gradient to this L2 norm; 0 = off.
        layer_decay: Learning rate factor per layer, from the head down (ELECTRA: 0.8); 1 = off.
        freeze: Keep fixed: none, embeddings, encoder, or N (embeddings and first N layers).
        dropout: Dropout probability everywhere. Default: the model's.
        seed: Seed of initialisation, order and dropout.
        full_determinism: Deterministic kernels on GPU too (slower).
        eval_steps: Evaluate and save every N steps; below 1: a share of all steps. Default: each epoch.
        logging_steps: Log the loss every N steps; below 1: a share of all steps. Default: 50 times per
            run.
        best_metric: Metric that picks the best checkpoint. Default: the task's.
        checkpoint_minutes: Also save a checkpoint when the last is N minutes old.
        trainer: Any other TrainingArguments field (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and model, show the plan, stop.
        keep_checkpoints: Keep best and last checkpoint after the run.
        report_to: Send metrics to a tracker, or to all that are installed.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        push_to_hub: Upload the finished run to this hub repository, `true`: of the folder's name
            (private unless public).
        public: Make a new repository public. (only with push_to_hub)
        judge_test: Judge the model on the test split, too; a search of options leaves it for its end.
        sweep: Sparsities: make a run of each, and a plot of them all.
        vocab_from: Vocabulary: also keep the pieces that this text needs (repeatable, glob).
        max_growth: Vocabulary: keep enough pieces that text that was not read has at most N % more
            tokens. (only with what vocabulary)
        criterion: Measure of importance. Weights: magnitude, random, movement; structures: gradient
            (times weight), magnitude. Default: magnitude for weights, gradient for structures.
        scope: Prune the same share of each tensor, or the share of all tensors together. (only with
            what weights)
        include: Also prune these weights: embeddings, biases. (only with what weights)
        rounds: Prune N times, evenly over the training. (only with what weights; only with epochs)
        sparsity_schedule: Course of the sparsity over rounds or, with movement, steps. (only with what
            weights)
        per_layer: Layers of different FFN widths; opened with nlpkit.load. (only with what ffn, heads,
            layers)
        calibration_rows: Rows of train that importance is measured on. (only with what ffn, heads,
            layers)
        calibrate: Divide logits by a temperature fitted on validation, where that makes scores truer
            (Guo et al. 2017).
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Where there is no test split, half of validation judges what the other half has
            chosen; 0: all do both. Default: half.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        alpha: Share of the unpruned model's logits in the loss. (only with distill)
        temperature: Softens the logits (Hinton et al. 2015). (only with distill)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def quantize(
    model: str | PathLike[str],
    data: Data | None = None,
    *,
    to: Literal['onnx-int8', 'onnx-int8-static', 'onnx-fp16', 'onnx-fp32', 'torch-int8', 'fp16', 'bf16'] | None = None,
    max_drop: float = 1.0,
    exclude: Sequence[str] | str = ...,
    embedding_bits: Literal['8', '4'] = '8',
    portable: bool = False,
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] | str = ...,
    tag_column: str | None = None,
    column: Literal['pos', 'chunk', 'ner'] | None = None,
    scheme: Literal['auto', 'bio', 'iob1', 'bioes', 'ioe', 'io', 'plain'] = 'auto',
    offsets: Literal['auto', 'characters', 'utf-16', 'utf-8', 'inclusive', 'from-1', 'from-1-inclusive', 'stripped', 'crlf', 'lf'] = 'auto',
    on_bad_tags: Literal['repair', 'error'] = 'repair',
    question_column: str | None = None,
    context_column: str | None = None,
    answers_column: str | None = None,
    answer_start_column: str | None = None,
    id_column: str | None = None,
    prefix: str | None = None,
    prefix_column: str | None = None,
    source_language: str | None = None,
    target_language: str | None = None,
    target_columns: Sequence[str] | str = ...,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    template: str = 'This example is {}.',
    multi_label: bool = False,
    threshold: float = 0.5,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    shape: Literal['scored-pairs', 'labelled-pairs', 'pairs', 'triplets', 'nli', 'labelled-texts', 'texts', 'taught', 'translations'] | None = None,
    negative_columns: Sequence[str] | str = ...,
    label_names: Sequence[str] | str = ...,
    vector_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    license: str | None = None,
    language: Sequence[str] | str = ...,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    train_file: Data | None = None,
    validation_file: Data | None = None,
    test_file: Data | None = None,
    data_config: str | None = None,
    data_revision: str | None = None,
    train_split: str | None = None,
    validation_split: str | None = None,
    test_split: str | None = None,
    max_eval_samples: int | None = None,
    validation_share: float = 0.1,
    test_share: float | Literal['half'] = 'half',
    hold_out: Literal['texts', 'rows'] = 'texts',
    group_column: str | None = None,
    max_train_samples: int | None = None,
    shuffle_seed: int | None = None,
    measure_seconds: float = 6.0,
    per_channel: bool = True,
    reduce_range: Literal['auto', 'yes', 'no'] = 'auto',
    calibration: Literal['minmax', 'entropy', 'percentile'] = 'minmax',
    calibration_rows: int = 128,
    seed: int = 42,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Store a trained model in fewer bits, for ONNX Runtime or torch, and show what
    that costs. Writes a run folder that predict and evaluate open as any other.

    The model is exported, its logits are compared with those of torch on real rows, then it is quantized. Where that costs
    more than max_drop points of the main metric, layers are searched that stay in float32. `predict` and `evaluate` run
    the folder like any other. The data are those that the model was trained on, unless others are named.

    Args:
        model: Run folder, model folder or hub name.
        data: Folder or file of rows, a glob, or a hub name (glue:sst2, name:config@revision); or the
            rows themselves.
        to: Format; static: with ranges of training rows. Default: onnx-int8; onnx-fp16 on a GPU.
        max_drop: Points of its metric that int8 may cost. (only with to onnx-int8, onnx-int8-static)
        exclude: Layers that stay in float32, by name or pattern. (only with to onnx-int8,
            onnx-int8-static)
        embedding_bits: Bits of embedding tables. (only with to onnx-int8, onnx-int8-static)
        portable: Operators of ONNX alone, for other runtimes. (only with to onnx-fp32, onnx-fp16,
            onnx-int8, onnx-int8-static)
        output: Run folder to write. Default: runs/<data>-<model>-<format>.
        overwrite: Replace an earlier run in output.
        text_column: Column of the text. Default: guessed. For text-classification,
            token-classification, fill-mask, text-generation, text2text-generation,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        text_pair_column: Column of the second text of a pair. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_column: Column of the label. Default: guessed. For text-classification,
            zero-shot-classification, zero-shot-by-embedding, sentence-embedding.
        label_columns: Columns of 0 and 1, one for each label. For text-classification,
            zero-shot-classification, zero-shot-by-embedding.
        tag_column: Column of the tags or spans: its name, or its number (1 is the first, as in cut -f;
            -1 the last). Default: guessed. For token-classification.
        column: Which tags to take where there are several. Default: ner, else chunk, else pos. For
            token-classification.
        scheme: How entities are written as tags; plain: a tag stands for itself. For
            token-classification.
        offsets: How start and end of spans count. Default: by the texts of the spans, else by words.
            For token-classification.
        on_bad_tags: Tags that the scheme does not allow: read them as conlleval does, or stop. For
            token-classification.
        question_column: QA: column of the question. Default: guessed. For question-answering.
        context_column: QA: column of the text that holds the answer. Default: guessed. For
            question-answering.
        answers_column: QA: column of the answers: {"text", "answer_start"}, a list of these, or a text;
            none: unanswerable. Default: guessed. For question-answering.
        answer_start_column: QA: column of the character where an answer starts. Default: guessed. For
            question-answering.
        id_column: QA: column of the question's id. Default: guessed. For question-answering.
        prefix: Text that stands before each text, as T5 is told what to do. Default: that of training,
            else nothing. For text2text-generation.
        prefix_column: Column of a text that stands before each text. Default: none. For
            text2text-generation.
        source_language: Text to text: code of the language of the texts, as the tokenizer has it
            (en_XX). Default: the tokenizer's. For text2text-generation.
        target_language: Text to text: code of the language that is written (de_DE). Default: the
            model's. For text2text-generation.
        target_columns: Columns of what is to be written; several: several right answers. Default:
            guessed. For text2text-generation.
        labels: Labels to choose from. For zero-shot-classification, zero-shot-by-embedding.
        labels_file: Labels, one a line; behind a tab what they mean. For zero-shot-classification,
            zero-shot-by-embedding.
        template: Sentence about a text, {} is the label. For zero-shot-classification,
            zero-shot-by-embedding.
        multi_label: Judge each label by itself: any number may be given. For zero-shot-classification,
            zero-shot-by-embedding.
        threshold: With several labels per text: probability from which one is given. For
            zero-shot-classification, zero-shot-by-embedding.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder) For zero-shot-classification.
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist) For zero-shot-classification.
        shape: Kind of the rows. Default: from the columns. For sentence-embedding.
        negative_columns: Columns of texts that do not belong to the first, or of lists of them. For
            sentence-embedding.
        label_names: Names of labels that are numbers, from 0. For sentence-embedding.
        vector_column: Column of vectors to learn, lists of numbers. For sentence-embedding.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean. For sentence-embedding,
            zero-shot-by-embedding.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
            For sentence-embedding, zero-shot-by-embedding.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on. For sentence-embedding, zero-shot-by-embedding.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one. For sentence-embedding, zero-shot-by-embedding.
        prompt_name: Name of one of the model's prompts to put before each text. For sentence-embedding,
            zero-shot-by-embedding.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        license: License of the model, for its card: apache-2.0, mit, cc-by-4.0, ... Default: that of
            the base model's card.
        language: Language of the texts, for the card: en, de, ..., multilingual. Default: that of the
            base model's card.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        train_file: File of the train split (repeatable, glob); or the rows themselves.
        validation_file: File of the validation split; or the rows themselves.
        test_file: File of the test split; or the rows themselves.
        data_config: Configuration of a hub data set.
        data_revision: Revision of a hub data set.
        train_split: Rows to train on, e.g. 'train[:2000]+train[-2000:]'.
        validation_split: Rows to validate on.
        test_split: Rows to test on.
        max_eval_samples: Evaluate on at most N rows per split.
        validation_share: Share of train held out when there is no validation split.
        test_share: Where there is no test split, half of validation judges what the other half has
            chosen; 0: all do both. Default: half.
        hold_out: What is held out: equal texts together (QA: contexts), or rows one by one, as older
            runs did.
        group_column: Column of what rows share (author, patient, document): those of one value are held
            out together. (only with hold_out texts)
        max_train_samples: Train on at most N rows, balanced by label.
        shuffle_seed: Seed of the hold-out and of the sampling. Default: seed.
        measure_seconds: Seconds of measuring the speed of each model in the end; 0 = leave it out.
        per_channel: One scale per output of a linear layer instead of one per layer. (only with to
            onnx-int8, onnx-int8-static)
        reduce_range: Quantize weights to 7 bits, as 8 overflow on CPUs without VNNI; auto looks at this
            CPU. (only with to onnx-int8, onnx-int8-static)
        calibration: How the range of activations is settled. (only with to onnx-int8-static)
        calibration_rows: Training rows that activations are measured on. (only with to
            onnx-int8-static)
        seed: Seed of the hold-out and of the rows that are drawn.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def report(
    run: str | PathLike[str],
    *,
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Write one web page about a run: what it is, how good, where it is wrong, how to use and repeat it.

    For any run folder, of this nlpkit or an older one, finished or not. The page is one file that holds its pictures, loads
    nothing and runs nothing, so that it can be mailed, printed or kept with a build. It shows texts of the data: the
    mistakes that the run has in its errors.jsonl.

    Args:
        run: Run folder.
        output: Page to write. Default: report.html in the run folder.
        overwrite: Replace output if it exists.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def search(
    index: str | PathLike[str],
    questions: Sequence[str] | str = ...,
    *,
    queries: Data | None = None,
    output: str | PathLike[str] | None = None,
    top_k: int = 10,
    filter: Sequence[str] | str = ...,
    mode: Literal['dense', 'bm25', 'hybrid'] | None = None,
    rerank: str | PathLike[str] | None = None,
    max_false_answers: float | None = None,
    show: Sequence[str] | str = ...,
    explain: bool = False,
    judgements: str | PathLike[str] | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    text_column: str | None = None,
    fusion: Literal['average', 'rrf'] | None = None,
    weight: float | None = None,
    rerank_ms: int = 500,
    overwrite: bool = False,
    model: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Find what answers a question in an index that `nlpkit.index(...)` made.
    Prints the best documents with the words that match; queries answers a file.

    Without a question, on a terminal, questions are asked for one by one. filter narrows the search to columns of the
    documents; rerank puts the best into a new order. Where nothing in the index is likely to answer, that is said
    (max_false_answers). judgements measures the search on judged questions.

    Args:
        index: Folder of an index.
        questions: Questions; none, on a terminal: they are asked for.
        queries: File with questions, or - for standard input; or the rows themselves.
        output: File for the answers: csv, tsv, jsonl, parquet. (only with queries)
        top_k: Documents per question.
        filter: Only where NAME=VALUE (or !=, <, <=, >, >=; A|B).
        mode: By meaning (dense), by words (bm25), or both. Default: as the index was calibrated, else
            dense.
        rerank: Cross-encoder that puts the best into a new order.
        max_false_answers: Share of unanswerable questions that may get an answer; 1: all. Default: the
            index's.
        show: Columns of the documents to show beside the text.
        explain: Show the rank and score of each way of searching.
        judgements: Measure on judged questions: BEIR, pairs, or SQuAD.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        text_column: Column of the question in queries. Default: guessed.
        fusion: How both lists are joined. Default: as the index was calibrated, else average.
        weight: Of meaning in the average; words have the rest. Default: as the index was calibrated,
            else 0.5.
        rerank_ms: Milliseconds per question that it may take: as many documents as fit. (only with
            rerank)
        overwrite: Replace output if it exists. (only with output)
        model: Where the model of the index is now. Default: where it was when the index was made.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def serve(
    runs: Sequence[str] | str,
    *,
    host: str = '127.0.0.1',
    port: int = 8000,
    api_key_file: str | PathLike[str] | None = None,
    max_queue_seconds: float = 1.0,
    max_inputs: int = 1024,
    cache: int = 0,
    self_check: bool = False,
    dockerfile: str | PathLike[str] | None = None,
    max_input_tokens: int = 65536,
    max_written_tokens: int = 16384,
    max_body_mb: float = 2.0,
    body_seconds: float = 10.0,
    batch_tokens: int = 4096,
    task: str | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    max_length: int | None = None,
    drain_seconds: float = 30.0,
    self_check_rows: int = 64,
    log_texts: bool = False,
    kubernetes: str | PathLike[str] | None = None,
    model_in_image: bool = False,
    overwrite: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Answer over HTTP with trained models of any task, and search indexes.
    Prints the address, and a line per request on standard error.

    Requests are queued by tokens and answered together; what is too much is refused at once (429). / is a page to try the
    models on, /docs lists the routes, /metrics is for Prometheus. After SIGTERM what waits is answered; exit code 0.
    dockerfile=DIR and kubernetes=DIR write files that run the same service elsewhere.

    Args:
        runs: Run or model folders, hub names; NAME=RUN names one.
        host: Address to listen on; 0.0.0.0: all.
        port: Port to listen on; 0: a free one.
        api_key_file: File of the keys that clients must send, a line each. Default: NLPKIT_API_KEY.
        max_queue_seconds: Seconds of work that may wait; beyond: 429.
        max_inputs: Inputs per request; beyond: 413.
        cache: Answers that are kept for equal inputs; 0: none.
        self_check: Compare answers over HTTP with the models' and their records, and end.
        dockerfile: Write Dockerfile, compose files and nginx.conf there; do not serve.
        max_input_tokens: Tokens of all inputs of a request; beyond: 413.
        max_written_tokens: Tokens that a request may have written, over all texts and beams; beyond:
            413.
        max_body_mb: MB of the body of a request; beyond: 413.
        body_seconds: Seconds for a request to arrive; beyond: 408.
        batch_tokens: Tokens that go through a model together, with padding, at most.
        task: Task to use the model for, of those that take it. Default: the one it was trained for.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        drain_seconds: After SIGTERM: seconds in which what waits is answered.
        self_check_rows: Rows of a run's data that are asked about. (only with self_check)
        log_texts: Write the texts of requests to the log too.
        kubernetes: Write manifests there; do not serve.
        model_in_image: The models are part of the image; else they are mounted. (only with dockerfile
            or kubernetes)
        overwrite: Replace files there. (only with dockerfile or kubernetes)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def tokenize(
    texts: Data | None = None,
    *,
    tokenizer: Sequence[str | PathLike[str]] | str = ...,
    special_tokens: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Show how tokenizers cut texts, side by side. Prints the pieces and their counts.

    For each text: its pieces, in colour on a terminal; then word by word the pieces of each tokenizer with their ids and
    their place in the text, and which words are whole; then the counts.

    Args:
        texts: Texts to cut.
        tokenizer: Folder or hub name of a tokenizer (repeatable).
        special_tokens: Show the special tokens that a model gets too.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def topics(
    model: str | PathLike[str],
    *,
    input: Data | None = None,
    text_column: str | None = None,
    topics: Data | None = None,
    min_size: int | None = None,
    merge: int | None = None,
    outliers: Literal['keep', 'nearest'] = 'keep',
    time_column: str | None = None,
    output: str | PathLike[str] | None = None,
    overwrite: bool = False,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = 'sentence-embedding',
    batch_size: int = 256,
    max_length: int | None = None,
    text_pair_column: str | None = None,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    dims: int | None = None,
    batch_tokens: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    long_text: Literal['truncate', 'mean-windows', 'error'] = 'truncate',
    vectors: str | PathLike[str] | None = None,
    stop_words: str | PathLike[str] | None = None,
    seed: int = 42,
    map: Literal['auto', 'pca', 'tsne', 'umap', 'none'] = 'auto',
    wish_threshold: float | None = None,
    time_unit: Literal['day', 'month', 'year'] | None = None,
    sample: int = 100000,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Find the topics of the texts of a file, and give them to new texts.
    Writes topics, names to edit, the rows with their topics and a map to a folder.

    Texts lie on a plane by their vectors; where they lie close together is a topic, named by the words that tell it from
    the others. topics=FILE has topics that you wish for, beside those that are found; merge N joins the nearest ones;
    time_column shows how they come and go. Names are edited in names.csv of the folder, and stay when it is made anew
    with overwrite=True. With a folder of topics in place of the model new texts get its topics.

    Args:
        model: Model; or a folder of topics, for new texts.
        input: File with a text in each row; - for a pipe; or the rows themselves.
        text_column: Column of the text. Default: guessed.
        topics: Wished topics, a line each; others are found too; or the rows themselves.
        min_size: Rows of the smallest topic. Default: 1 %, at least 5.
        merge: Join the nearest until N are left.
        outliers: Texts between topics.
        time_column: Dates: how topics come and go.
        output: Folder; of new texts a file. Default: runs/<file>-topics.
        overwrite: Replace output; names that you gave stay.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it.
        batch_size: Texts per forward pass, at most.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        text_pair_column: Column of the second text of a pair.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one.
        prompt_name: Name of one of the model's prompts to put before each text.
        dims: Keep the first N dimensions, of a model that was trained to be cut (Matryoshka). Default:
            as the model's folder says, else all.
        batch_tokens: Tokens per forward pass, at most, with padding, unless one text has more. Default:
            1,024 on a CPU, whose caches hold that; 32,768 on a GPU.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        long_text: Longer than the model reads.
        vectors: Vectors of the same rows, as `embed` wrote them: nothing is embedded. Default: embed
            the rows, or take from the cache what was embedded before.
        stop_words: Words that name nothing: english, none, or a file with a word a line. Default:
            english where the texts look English, else none.
        seed: Seed of all that is drawn.
        map: How the map is made; auto: tsne.
        wish_threshold: Cosine from which on a text is about a wished topic. Default: of each three
            robust standard deviations above the median of all texts. (only with topics)
        time_unit: Parts of time that are counted. Default: the shortest that makes at most 40 parts.
            (only with time_column)
        sample: Rows that topics are found in; of more a draw, and the others join the topic that they
            are most like.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def train_tokenizer(
    data: Data | None = None,
    *,
    style: Literal['bert', 'roberta', 'albert', 'gpt2', 't5'] | None = None,
    vocab_size: int | None = None,
    like: str | PathLike[str] | None = None,
    extend: str | PathLike[str] | None = None,
    add: int | None = None,
    add_as: Literal['words', 'pieces'] = 'words',
    output: str | PathLike[str] | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    text_column: str | None = None,
    data_config: str | None = None,
    data_split: str = 'train',
    data_revision: str | None = None,
    kind: Literal['wordpiece', 'bpe', 'byte-bpe', 'unigram', 'character'] | None = None,
    min_frequency: int | None = None,
    limit_alphabet: int | None = None,
    lowercase: bool | None = None,
    strip_accents: bool | None = None,
    unicode_form: Literal['nfc', 'nfd', 'nfkc', 'nfkd', 'none'] | None = None,
    special_token: Sequence[str] | str = ...,
    single_template: str | None = None,
    pair_template: str | None = None,
    model_max_length: int | None = None,
    validation_file: Data | None = None,
    validation_share: float = 0.01,
    seed: int = 42,
    keep: Sequence[str | PathLike[str]] | str = ...,
    resize_model: bool = False,
    compare: Sequence[str | PathLike[str]] | str = ...,
    overwrite: bool = False,
    dry_run: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Train a tokenizer on running text, retrain one, or add the words of a domain. Writes a folder that
    AutoTokenizer opens.

    A style has everything as the models of that family have it; each part has a flag of its own. like trains the
    pipeline of an existing tokenizer on new text; extend adds the words that cost it most tokens, or the pieces of
    another language (add_as pieces), behind the ids that it has. What is learned is measured on held-out text, beside any
    other tokenizer (compare).

    Args:
        data: Files, folders or globs, a hub data set, - for standard input (repeatable); or the rows
            themselves.
        style: Family whose normalizer, special tokens and templates it has. Default: that of kind. (not
            with like; not with extend)
        vocab_size: Tokens in all, special ones included. Default: the style's: 30522, 50265, 30000,
            50257, 32000; with like the model's. (not with extend)
        like: Train the pipeline of this tokenizer anew.
        extend: Add tokens to the tokenizer of this model.
        add: Number of tokens to add. (only with extend)
        add_as: Add the words that cost most tokens, or pieces of another language. (only with extend)
        output: Folder to write. Default: runs/<data>-<kind>.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        text_column: Column of the text in tables. Default: guessed.
        data_config: Configuration of a hub data set.
        data_split: Split of a hub data set.
        data_revision: Revision of a hub data set.
        kind: How words are cut into pieces. Default: that of style; wordpiece. (not with like; not with
            extend)
        min_frequency: Join pieces that occur together N times (not unigram); with extend: words that
            occur N times. Default: 2, as in the BertWordPieceTokenizer of tokenizers.
        limit_alphabet: Keep the N most frequent characters (wordpiece, bpe, character). Default: all.
            (not with extend)
        lowercase: Lowercase the text. Default: the style's: bert and albert do. (not with like; not
            with extend)
        strip_accents: Take accents off letters. Default: albert does, bert if it lowercases. (not with
            like; not with extend)
        unicode_form: Unicode form of the text. Default: albert: nfkd, nfkc if accents stay; else none.
            (not with like; not with extend)
        special_token: Another special token (repeatable). (not with extend)
        single_template: What stands around one text, e.g. '[CLS] $A [SEP]'. Default: the style's. (not
            with like; not with extend)
        pair_template: What stands around two texts, e.g. '[CLS] $A [SEP] $B:1 [SEP]:1' (:1 is the token
            type). Default: the style's. (not with like; not with extend)
        model_max_length: Tokens that truncation leaves. Default: the style's: 512, gpt2 1024.
        validation_file: Text to measure on (repeatable); or the rows themselves. Default:
            validation_share.
        validation_share: Share of the texts held out, 10,000 at most; 0 = none.
        seed: Seed of what is held out.
        keep: Text whose words are cut as before: pieces that change one are left out (repeatable).
            (only with add_as pieces)
        resize_model: Write the model too, with an embedding for each new token. (only with extend)
        compare: Measure this tokenizer too (repeatable).
        overwrite: Replace an earlier run in output.
        dry_run: Check data and options, show the plan, stop.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def train_vectors(
    data: Data | None = None,
    *,
    architecture: Literal['skip-gram', 'cbow'] = 'skip-gram',
    subwords: bool = False,
    vector_size: int = 100,
    epochs: int = 5,
    vectors: str | PathLike[str] | None = None,
    evaluate: Sequence[str | PathLike[str]] | str = ...,
    neighbours: Sequence[str] | str = ...,
    analogy: Sequence[str] | str = ...,
    output: str | PathLike[str] | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    text_column: str | None = None,
    data_config: str | None = None,
    data_split: str = 'train',
    data_revision: str | None = None,
    window: int = 5,
    min_count: int = 5,
    negative: int = 5,
    sample: float = 0.001,
    learning_rate: float = 0.025,
    lowercase: bool = True,
    shortest_piece: int = 3,
    longest_piece: int = 6,
    buckets: int = 2000000,
    threads: int = 1,
    seed: int = 42,
    top_k: int = 10,
    words: Sequence[str] | str = ...,
    picture: str | PathLike[str] | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Learn a vector for each word of running text (word2vec, or fastText with subwords=True). Writes a folder with the
    vectors as safetensors and as text that gensim and fastText open, figures, and a picture of words in space.

    evaluate measures them: analogies as Google's questions-words.txt, word pairs with people's scores as WordSim-353 and
    SimLex-999. neighbours and analogy ask for words. With vectors nothing is trained: those of a folder, or of a file
    of word2vec, GloVe or fastText, are asked. With one thread (the default) the same text and seed give the same numbers.

    Args:
        data: Files, folders, globs; - for standard input; or the rows themselves.
        architecture: What word2vec learns by. (not with vectors)
        subwords: Learn pieces of words too, as fastText does. (not with vectors)
        vector_size: Dimensions of a vector. (not with vectors)
        epochs: Passes over the text. (not with vectors)
        vectors: Ask these vectors instead of training.
        evaluate: Analogies or scored pairs (repeatable).
        neighbours: Show the nearest words (repeatable).
        analogy: Show the sum 'king - man + woman' (repeatable).
        output: Folder to write. Default: runs/<data>-vectors. (not with vectors)
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        text_column: Column of the text in tables. Default: guessed.
        data_config: Configuration of a hub data set.
        data_split: Split of a hub data set.
        data_revision: Revision of a hub data set.
        window: Words to either side, at most. (not with vectors)
        min_count: Leave out words that stand there less often. (not with vectors)
        negative: Drawn words that each word is told from. (not with vectors)
        sample: Share of the text from which on a word is thinned out; 0 = none is. (not with vectors)
        learning_rate: Learning rate, which falls to 0.0001. (not with vectors)
        lowercase: Read the text in lower case. (not with vectors)
        shortest_piece: Characters of a piece, at least. (only with subwords)
        longest_piece: Characters of a piece, at most. (only with subwords)
        buckets: Places that pieces are hashed to; each is a vector in memory. (only with subwords)
        threads: CPU threads; with more than one no two runs are alike. (not with vectors)
        seed: Seed of the first vectors and of draws. (not with vectors)
        top_k: Words that are shown of each. (only with neighbours or analogy)
        words: Words of the picture. Default: of analogies, or frequent ones.
        picture: PNG to draw the words in. (only with vectors)
        overwrite: Replace an earlier run in output.
        dry_run: Check data and options, show the plan, stop. (not with vectors)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def tune(
    target: str,
    *,
    space: str | PathLike[str] | None = None,
    lr_finder: bool = False,
    trials: int | None = None,
    sampler: Literal['tpe', 'random', 'grid', 'nsga2'] = 'tpe',
    objective: Sequence[str] | str = ...,
    max_minutes: float | None = None,
    output: str | PathLike[str] | None = None,
    resume: bool = False,
    seed: int = 42,
    overwrite: bool = False,
    pruner: Literal['none', 'median', 'asha'] = 'none',
    jobs: int = 1,
    ray: str | None = None,
    storage: str | PathLike[str] | None = None,
    options: Mapping[str, Any] = ...,
    dry_run: bool = False,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Search the options of a command that trains: learning rate, batch size, or any other.
    Writes a folder: the best run, its recipe, a table of all runs, pictures.

    Each run is one of the command with other values, in a process of its own and a folder of its own; the first has the
    defaults. --learning-rate 1e-5..5e-4:log is a range (:int whole numbers, :0.1 steps), --batch-size 16,32 a list; all
    other options of the command are fixed as they are given. The best is chosen on validation and then compared with the
    defaults on test rows, which no run has seen: where these do not tell them apart, it says that the search was not worth
    it. Weights are kept of the best and of the defaults. A search that was ended goes on with resume=True.
    `nlpkit tune COMMAND --help` lists what can be searched.

    Args:
        target: Command that trains: finetune-cls, distill, ...
        space: YAML: OPTION: A..B[:log|:int|:STEP], or a list.
        lr_finder: Search rates around what a range test suggests.
        trials: Runs in all, with that of the defaults. Default: 20, or the grid.
        sampler: What draws values: TPE, chance, all of a grid, NSGA-II.
        objective: Metric on validation; or two, as accuracy,latency. Default: which picks checkpoints.
        max_minutes: Begin no run that would end after N minutes.
        output: Folder to write. Default: runs/tuned-<command>.
        resume: Go on with the search in output.
        seed: Seed of initialisation, order and dropout.
        overwrite: Replace an earlier run in output.
        pruner: End runs that lag behind: below the median, or by successive halving.
        jobs: Runs at a time; on a CPU they share its threads.
        ray: Run on a Ray cluster, whose nodes share the disk of output.
        storage: Journal file or database address that several machines share. Default: journal.log in
            output.
        options: Option of COMMAND, as --KEY VALUE.
        dry_run: Check the space, show the plan, stop.
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """

def zero_shot(
    model: str | PathLike[str],
    texts: Data | None = None,
    *,
    labels: Sequence[str] | str = ...,
    labels_file: str | PathLike[str] | None = None,
    by: Literal['embedding', 'nli', 'cascade'] | None = None,
    template: str = 'This example is {}.',
    choose_template: str | PathLike[str] | None = None,
    multi_label: bool = False,
    input: Data | None = None,
    output: str | PathLike[str] | None = None,
    device: str = 'auto',
    precision: Literal['auto', 'fp32', 'tf32', 'bf16', 'fp16'] = 'auto',
    threads: int | None = None,
    model_revision: str | None = None,
    tokenizer: str | PathLike[str] | None = None,
    allow_pickle: bool = False,
    trust_remote_code: bool = False,
    task: str | None = None,
    batch_size: int = 32,
    max_length: int | None = None,
    format: Literal['csv', 'tsv', 'json', 'jsonl', 'parquet', 'xlsx', 'txt', 'conll', 'squad'] | None = None,
    encoding: str = 'utf-8',
    delimiter: str | None = None,
    quoting: Literal['auto', 'standard', 'none'] = 'auto',
    columns: Sequence[str] | str = ...,
    max_errors: float = 0,
    overwrite: bool = False,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    all_scores: Literal['columns'] | bool = False,
    min_score: float | None = None,
    abstain_label: str | None = None,
    min_margin: float | None = None,
    threshold: float = 0.5,
    pooling: Sequence[Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token']] | str | Literal['mean', 'max', 'cls', 'mean_sqrt_len', 'weighted_mean', 'last_token'] = ...,
    layers: int | None = None,
    normalize: bool | None = None,
    prompt: str | None = None,
    prompt_name: str | None = None,
    shortlist: int | None = None,
    embedder: str | PathLike[str] | None = None,
    config: str | PathLike[str] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
) -> Report:
    """Sort texts into labels that are named when asked: nothing is trained.
    Prints the answers; output writes them to a file.

    Three ways, of which the first line of the output names the one that is used; by chooses another:
    embedding: of an embedder or another encoder. Each label is put into template, and the label whose sentence has the
    vector nearest to that of the text is the answer. One pass a text, however many labels there are.
    nli: of a model for natural language inference (its labels are entailment, neutral, contradiction). For each label it is
    asked whether the text entails the sentence. One pass for each text and label.
    cascade: embedder chooses shortlist labels, and a model for inference decides among them.

    Files, columns and answers are as for `predict`. `evaluate`, `benchmark` and `quantize` take such a model with
    task zero-shot-by-embedding, or task zero-shot-classification for inference.

    Args:
        model: Run folder, model folder or hub name.
        texts: Texts to answer for.
        labels: Labels to choose from.
        labels_file: Labels, one a line; behind a tab what they mean.
        by: How a label is chosen. Default: the model's.
        template: Sentence about a text, {} is the label.
        choose_template: Try templates on the texts, use the clearest.
        multi_label: Judge each label by itself: any number may be given.
        input: File with rows, or - for standard input (txt without format); or the rows themselves.
        output: csv, tsv, jsonl or parquet file. Default: print.
        device: auto, cpu, cuda, cuda:1, mps.
        precision: Arithmetic of the forward pass. Default: bf16 or fp16 on GPU, fp32 on CPU.
        threads: CPU threads of torch. Default: as cores, CPU time and OMP_NUM_THREADS allow.
        model_revision: Revision of a hub model.
        tokenizer: Folder or hub name of the tokenizer. Default: the model's.
        allow_pickle: Load weights stored as pickle (they can run code).
        trust_remote_code: Run model code that comes with the weights.
        task: Task to use the model for, of those that take it. Default: that of by.
        batch_size: Inputs per forward pass.
        max_length: Tokens per input. Default: as asked in training, else what the model takes.
        format: Format of the files. Default: from their names.
        encoding: Text encoding of the files.
        delimiter: Column separator of csv (and CoNLL) files: a character, or comma, semicolon, tab,
            pipe, space. Default: from the header.
        quoting: Quotes in csv and tsv files: around fields (standard), or text as any other (none).
        columns: Names of the columns of files without a header.
        max_errors: Exit with 1 if more rows of input have no answer: a number, or a share below 1.
        overwrite: Replace output if it exists.
        text_column: Column of the text. Default: guessed.
        text_pair_column: Column of the second text of a pair.
        all_scores: Give the score of every label: as one entry, or as columns, one for each label.
        min_score: Give no answer below this score. Default: give every answer.
        abstain_label: What stands for an answer below min_score or min_margin. Default: nothing. (only
            with min_score or min_margin)
        min_margin: Give no answer whose score is less than this above that of the next label. Default:
            give every answer.
        threshold: With several labels per text: probability from which one is given.
        pooling: How the states of a text's tokens become one vector; several are joined: mean,max.
            Default: as the model's folder says, else the mean.
        layers: Average the states of the last N layers. Default: as the model's folder says, else 1.
        normalize: Scale each vector to length 1, so that products are cosines. Default: as the model's
            folder says, else on.
        prompt: Text to put before each text; '' for none. Default: the default prompt of the model, if
            it has one.
        prompt_name: Name of one of the model's prompts to put before each text.
        shortlist: Ask the model about so many labels a text, those that are nearest to it by embedder.
            Default: all labels. (only with embedder)
        embedder: Folder or hub name of the model that chooses the labels of shortlist. (only with
            shortlist)
        config: YAML recipe, or the nlpkit.json of a run to repeat.
        progress: Show plan and bars: as the command line does, on standard error. None: a bar in a
            notebook, else nothing.
        verbose: Let the libraries say what they say unasked.

    Returns:
        What the command tells of its work; see `nlpkit.Report`.

    Raises:
        nlpkit.UserError: an option, the data or the model is wrong; the message says which, and what to do.
    """
