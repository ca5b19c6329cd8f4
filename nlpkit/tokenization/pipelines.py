"""From a kind and a style to a tokenizer that can be trained.

A kind is a way to cut words into pieces: model, pre-tokenizer, decoder. A style is what a family of models puts around
that: normalizer, special tokens, templates, sizes. Each style has the kind of its models, and takes the others.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from nlpkit.errors import UserError
from nlpkit.options import Config, NotWith, Strings, option, suggest

Kind = Literal["wordpiece", "bpe", "byte-bpe", "unigram", "character"]
StyleName = Literal["bert", "roberta", "albert", "gpt2", "t5"]
Form = Literal["nfc", "nfd", "nfkc", "nfkd", "none"]

PANEL = "Tokenizer"
BYTES = 256
MIN_FREQUENCY = 2  # as in the BertWordPieceTokenizer of tokenizers
CONTINUES = "##"  # marks a piece that goes on with a word (BERT)
LINE_END = "\n"  # texts are read without it, but a model of characters writes it
SCORE_DECIMALS = 10  # of a log probability: as many digits as every reader of JSON reads exactly
UNKNOWN = "<|unknown|>"  # of characters in the style of GPT-2, whose bytes have no need of it


@dataclass(frozen=True)
class Style:
    """What the tokenizers of a family of models have in common.

    Attributes:
        kind: of the family.
        stock: the transformers class of its tokenizer.
        vocab_size: tokens of the published model.
        roles: what each special token is for, as transformers names it, without `_token`.
        first, last: special tokens with the lowest and with the highest ids, in order.
        single, pair: templates around one text and two.
        token_types: whether the model tells the texts of a pair apart by token type ids.
        max_length: tokens that the published model takes.
        lowercase, strip_accents, form: what its normalizer does.
        blank_first: a first word is cut as one inside a text, from bytes too (of others a Metaspace does
            that); decoded texts do not show it.
    """

    kind: Kind
    stock: str
    vocab_size: int
    roles: dict[str, str]
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    single: str = "[CLS] $A [SEP]"
    pair: str = "[CLS] $A [SEP] $B:1 [SEP]:1"
    token_types: bool = False
    max_length: int = 512
    lowercase: bool = False
    strip_accents: bool = False
    form: Form = "none"
    blank_first: bool = False


STYLES: dict[str, Style] = {
    "bert": Style(
        kind="wordpiece",
        stock="BertTokenizer",
        vocab_size=30_522,
        roles={"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
        first=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
        token_types=True,
        lowercase=True,
        strip_accents=True,
    ),
    "roberta": Style(
        kind="byte-bpe",
        stock="RobertaTokenizer",
        vocab_size=50_265,
        roles={
            "bos": "<s>",
            "cls": "<s>",
            "pad": "<pad>",
            "eos": "</s>",
            "sep": "</s>",
            "unk": "<unk>",
            "mask": "<mask>",
        },
        first=("<s>", "<pad>", "</s>", "<unk>"),
        last=("<mask>",),
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
    ),
    "albert": Style(
        kind="unigram",
        stock="AlbertTokenizer",
        vocab_size=30_000,
        roles={
            "pad": "<pad>",
            "unk": "<unk>",
            "bos": "[CLS]",
            "cls": "[CLS]",
            "eos": "[SEP]",
            "sep": "[SEP]",
            "mask": "[MASK]",
        },
        first=("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"),
        token_types=True,
        lowercase=True,
        strip_accents=True,
        form="nfkd",
    ),
    # GPT-2 has no padding token; one of its own, as GPT-NeoX has it, keeps the end of a text apart from padding.
    "gpt2": Style(
        kind="byte-bpe",
        stock="GPT2Tokenizer",
        vocab_size=50_257,
        roles={"bos": "<|endoftext|>", "eos": "<|endoftext|>", "unk": "<|endoftext|>", "pad": "<|padding|>"},
        last=("<|padding|>", "<|endoftext|>"),
        single="$A",
        pair="$A $B",
        max_length=1024,
    ),
    "t5": Style(
        kind="unigram",
        stock="T5Tokenizer",
        vocab_size=32_000,
        roles={"pad": "<pad>", "eos": "</s>", "unk": "<unk>"},
        first=("<pad>", "</s>", "<unk>"),
        single="$A </s>",
        pair="$A </s> $B </s>",
        blank_first=True,
    ),
}
STYLE_OF_KIND: dict[str, StyleName] = {
    "wordpiece": "bert",
    "bpe": "bert",
    "byte-bpe": "roberta",
    "unigram": "albert",
    "character": "gpt2",
}


# An existing tokenizer brings these with it, and cannot be asked to change them.
EXTENDED = NotWith(("extend",), why=" with --extend: that is as {extend} has it")
IN_TRAINING = (EXTENDED,)
OF_A_NEW_ONE = (NotWith(("like",), why=" with --like: that is as {like} has it"), EXTENDED)


class PipelineOptions(Config):
    """What the tokenizer is made of."""

    kind: Kind | None = option(
        None,
        "How words are cut into pieces.",
        panel=PANEL,
        only_with=OF_A_NEW_ONE,
        shown_default="that of --style; wordpiece",
    )
    style: StyleName | None = option(
        None,
        "Family whose normalizer, special tokens and templates it has.",
        panel=PANEL,
        only_with=OF_A_NEW_ONE,
        shown_default="that of --kind",
    )
    vocab_size: int | None = option(
        None,
        "Tokens in all, special ones included.",
        panel=PANEL,
        only_with=IN_TRAINING,
        ge=1,
        shown_default="the style's: 30522, 50265, 30000, 50257, 32000; with --like the model's",
    )
    min_frequency: int | None = option(
        None,
        "Join pieces that occur together N times (not unigram); with --extend: words that occur N times.",
        panel=PANEL,
        ge=1,
        shown_default="2, as in the BertWordPieceTokenizer of tokenizers",
    )
    limit_alphabet: int | None = option(
        None,
        "Keep the N most frequent characters (wordpiece, bpe, character).",
        panel=PANEL,
        only_with=IN_TRAINING,
        ge=1,
        shown_default="all",
    )
    lowercase: bool | None = option(
        None,
        "Lowercase the text.",
        panel=PANEL,
        only_with=OF_A_NEW_ONE,
        shown_default="the style's: bert and albert do",
    )
    strip_accents: bool | None = option(
        None,
        "Take accents off letters.",
        panel=PANEL,
        only_with=OF_A_NEW_ONE,
        shown_default="albert does, bert if it lowercases",
    )
    unicode_form: Form | None = option(
        None,
        "Unicode form of the text.",
        panel=PANEL,
        only_with=OF_A_NEW_ONE,
        shown_default="albert: nfkd, nfkc if accents stay; else none",
    )
    special_token: Strings = option(
        [], "Another special token (repeatable).", panel=PANEL, only_with=IN_TRAINING, metavar="TOKEN"
    )
    single_template: str | None = option(
        None,
        "What stands around one text, e.g. '[CLS] $A [SEP]'.",
        panel=PANEL,
        only_with=OF_A_NEW_ONE,
        metavar="TEMPLATE",
        shown_default="the style's",
    )
    pair_template: str | None = option(
        None,
        "What stands around two texts, e.g. '[CLS] $A [SEP] $B:1 [SEP]:1' (:1 is the token type).",
        panel=PANEL,
        only_with=OF_A_NEW_ONE,
        metavar="TEMPLATE",
        shown_default="the style's",
    )
    model_max_length: int | None = option(
        None, "Tokens that truncation leaves.", panel=PANEL, ge=1, shown_default="the style's: 512, gpt2 1024"
    )


@dataclass
class Pipeline:
    """Everything about a tokenizer but its vocabulary.

    Attributes:
        name: of the style.
        style: the style, with what the options changed in it.
        kind: of the tokenizer.
        extra: special tokens besides the style's.
        own_templates: whether the options named a template.
        min_frequency: occurrences of a pair of pieces that are needed to join it; None for unigram.
        limit_alphabet: most characters kept; None for all.
    """

    name: str
    style: Style
    kind: Kind
    extra: list[str]
    own_templates: bool
    min_frequency: int | None
    limit_alphabet: int | None

    @classmethod
    def of(cls, options: PipelineOptions) -> Pipeline:
        """Fill in what the options leave open.

        Raises:
            UserError: options that do not go together.
        """
        name = options.style or STYLE_OF_KIND[options.kind or "wordpiece"]
        style = STYLES[name]
        kind = options.kind or style.kind
        strip = options.strip_accents
        if strip is None:
            lowercase = style.lowercase if options.lowercase is None else options.lowercase
            strip = lowercase if name == "bert" else style.strip_accents
        # letters that stay accented must not fall apart into letter and accent
        form: Form = "nfkc" if name == "albert" and not strip else style.form
        changed: dict[str, Any] = {
            "vocab_size": options.vocab_size,
            "max_length": options.model_max_length,
            "lowercase": options.lowercase,
            "strip_accents": strip,
            "form": options.unicode_form or form,
            "single": options.single_template,
            "pair": options.pair_template,
        }
        changed = {key: value for key, value in changed.items() if value is not None}
        if name == "gpt2" and kind == "character":
            changed |= {"roles": {**style.roles, "unk": UNKNOWN}, "first": (UNKNOWN,)}
        own = options.single_template is not None or options.pair_template is not None
        frequency = None if kind in ("unigram", "character") else options.min_frequency or MIN_FREQUENCY
        pipeline = cls(
            name, replace(style, **changed), kind, options.special_token, own, frequency, options.limit_alphabet
        )
        pipeline._check(options)
        return pipeline

    @property
    def specials(self) -> list[str]:
        """All special tokens; those with the highest ids last."""
        return [*self.style.first, *self.extra, *self.style.last]

    def _check(self, options: PipelineOptions) -> None:
        if self.name == "gpt2" and self.kind not in ("byte-bpe", "character"):
            raise UserError(
                f"--style gpt2 with --kind {self.kind}: GPT-2 has no unknown token, which {self.kind} needs",
                "Leave --kind out (byte-bpe), or take --style roberta.",
            )
        if self.kind == "character" and (options.vocab_size or options.min_frequency):
            flag = "--vocab-size" if options.vocab_size else "--min-frequency"
            raise UserError(
                f"{flag} with --kind character: every character of the text has its token",
                "Leave it out; --limit-alphabet N keeps the most frequent ones.",
            )
        if options.limit_alphabet and self.kind in ("byte-bpe", "unigram"):
            why = "its alphabet is the 256 bytes" if self.kind == "byte-bpe" else "its trainer has no such limit"
            raise UserError(f"--limit-alphabet with --kind {self.kind}: {why}", "Leave it out.")
        if options.min_frequency and self.kind == "unigram":
            raise UserError(
                "--min-frequency with --kind unigram: pieces are chosen by likelihood, not by count", "Leave it out."
            )
        require_new(self.extra, [*self.style.first, *self.style.last])
        if self.kind != "character":
            require_room(self.style.vocab_size, len(self.specials), in_bytes=self.kind == "byte-bpe")
        usual = STYLES[self.name]
        self._check_template("--single-template", self.style.single, ["A"], usual.single)
        self._check_template("--pair-template", self.style.pair, ["A", "B"], usual.pair)

    def _check_template(self, flag: str, template: str, texts: list[str], usual: str) -> None:
        """Every text once, and otherwise special tokens, each with a token type at most."""
        names = []
        for item in template.split():
            name, _, kind = item.partition(":")
            if name in ("$A", "$B") and kind in ("", "0", "1"):
                names.append(name[1])
            elif name not in self.specials or kind not in ("", "0", "1"):
                hint = (
                    suggest(item, self.specials) or f"Special tokens: {', '.join(self.specials)}; add --special-token."
                )
                raise UserError(f"{flag} {template!r}: {item!r} is neither $A nor $B nor a special token", hint)
        if sorted(names) != texts:
            wanted = " and ".join(f"${text}" for text in texts)
            raise UserError(f"{flag} {template!r}: it must have {wanted} once", f"For example {usual!r}.")

    @property
    def line_ends_are_blanks(self) -> bool:
        """Whether lines that are joined are cut into the same words as when they stand alone."""
        return self.kind not in ("byte-bpe", "character")

    # --- the parts of the tokenizers library ---

    def untrained(self) -> Any:
        """A `tokenizers.Tokenizer` without vocabulary."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        unknown = self.style.roles["unk"]
        model: Any
        if self.kind == "byte-bpe":
            tokenizer = Tokenizer(models.BPE())
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            tokenizer.decoder = decoders.ByteLevel()
            if self.style.blank_first:
                tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
        elif self.kind == "character":
            # a BPE that finds nothing to join, as each of its words is one character
            tokenizer = Tokenizer(models.BPE(unk_token=unknown))
            tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
            tokenizer.decoder = decoders.Fuse()
        elif self.kind == "wordpiece" or (self.kind == "bpe" and self.name == "bert"):
            if self.kind == "wordpiece":
                model = models.WordPiece(unk_token=unknown)
            else:
                model = models.BPE(unk_token=unknown, continuing_subword_prefix=CONTINUES)
            tokenizer = Tokenizer(model)
            tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            tokenizer.decoder = decoders.WordPiece(prefix=CONTINUES)
        else:
            model = models.Unigram() if self.kind == "unigram" else models.BPE(unk_token=unknown, fuse_unk=True)
            tokenizer = Tokenizer(model)
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
            )
            tokenizer.decoder = decoders.Metaspace()
        normalizer = self._normalizer()
        if normalizer is not None:
            tokenizer.normalizer = normalizer
        return tokenizer

    def _normalizer(self) -> Any:
        from tokenizers import normalizers

        style = self.style
        forms = {
            "nfc": normalizers.NFC,
            "nfd": normalizers.NFD,
            "nfkc": normalizers.NFKC,
            "nfkd": normalizers.NFKD,
        }
        parts: list[Any] = []
        if self.name == "bert":
            if style.form != "none":
                parts.append(forms[style.form]())
            follows = style.strip_accents == style.lowercase  # BERT's own rule, which its class writes as None
            parts.append(
                normalizers.BertNormalizer(
                    clean_text=True,
                    handle_chinese_chars=True,
                    strip_accents=None if follows else style.strip_accents,
                    lowercase=style.lowercase,
                )
            )
            return parts[0] if len(parts) == 1 else normalizers.Sequence(parts)
        if self.name == "albert":
            parts += [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
        if style.strip_accents:
            # accents can be taken off only where they are characters of their own
            parts.append(normalizers.NFKD() if "k" in style.form else normalizers.NFD())
            parts.append(normalizers.StripAccents())
        if style.form in ("nfc", "nfkc") or (style.form != "none" and not style.strip_accents):
            parts.append(forms[style.form]())
        if style.lowercase:
            parts.append(normalizers.Lowercase())
        if style.blank_first and self.kind == "byte-bpe":
            parts.append(normalizers.Prepend(" "))
        return normalizers.Sequence(parts) if parts else None

    def trainer(self) -> Any:
        """The trainer of the tokenizers library for this kind; `finish` adds the tokens with the highest ids."""
        from tokenizers import pre_tokenizers, trainers

        size = self.style.vocab_size - len(self.style.last)
        special: Any = [_special(token) for token in (*self.style.first, *self.extra)]
        shared: dict[str, Any] = {"vocab_size": size, "special_tokens": special, "show_progress": False}
        if self.kind == "unigram":
            return trainers.UnigramTrainer(unk_token=self.style.roles["unk"], **shared)
        if self.min_frequency is not None:
            shared["min_frequency"] = self.min_frequency
        if self.limit_alphabet:
            shared["limit_alphabet"] = self.limit_alphabet
        if self.kind == "wordpiece":
            return trainers.WordPieceTrainer(continuing_subword_prefix=CONTINUES, **shared)
        if self.kind == "byte-bpe":
            return trainers.BpeTrainer(initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **shared)
        if self.kind == "character":
            return trainers.BpeTrainer(initial_alphabet=[LINE_END], **shared)
        if self.name == "bert":
            shared["continuing_subword_prefix"] = CONTINUES
        return trainers.BpeTrainer(**shared)

    def finish(self, tokenizer: Any) -> Any:
        """The trained tokenizer with all special tokens and its post-processor."""
        if self.kind == "unigram":
            tokenizer = with_exact_scores(tokenizer)
        for token in self.style.last:
            tokenizer = with_tokens(tokenizer, [token])
            tokenizer.add_special_tokens([_special(token)])
        tokenizer.post_processor = self._post_processor(tokenizer)
        return tokenizer

    def _post_processor(self, tokenizer: Any) -> Any:
        from tokenizers import processors

        style = self.style
        bytes_too = self.kind == "byte-bpe"
        if bytes_too and not self.own_templates and self.name == "roberta":
            sep, cls = ((token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>"))
            return processors.RobertaProcessing(sep, cls, True, False)  # trim offsets, add no blank in front
        # GPT-2's offsets take in the blank before a word, RoBERTa's do not
        trim = processors.ByteLevel(trim_offsets=self.name != "gpt2")
        if bytes_too and self.name == "gpt2" and not self.own_templates:
            return trim
        used = {item.partition(":")[0] for item in f"{style.single} {style.pair}".split()} - {"$A", "$B"}
        template = processors.TemplateProcessing(
            single=_typed(style.single),
            pair=_typed(style.pair),
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in sorted(used)],
        )
        return processors.Sequence([trim, template]) if bytes_too else template

    def init_arguments(self) -> dict[str, Any]:
        """What the transformers class is told besides its backend."""
        arguments: dict[str, Any] = {
            **{f"{role}_token": token for role, token in self.style.roles.items()},
            "model_max_length": self.style.max_length,
            "model_input_names": [
                "input_ids",
                *(["token_type_ids"] if self.style.token_types else []),
                "attention_mask",
            ],
        }
        if self.extra:
            arguments["extra_special_tokens"] = list(self.extra)
        return arguments

    def stock_arguments(self) -> dict[str, Any]:
        """What the stock class of the style rebuilds its normalizer from."""
        style = self.style
        if self.name == "bert":
            follows = style.strip_accents == style.lowercase
            return {"do_lower_case": style.lowercase, "strip_accents": None if follows else style.strip_accents}
        if self.name == "albert":
            return {"do_lower_case": style.lowercase, "keep_accents": not style.strip_accents}
        if self.name == "t5":
            return {"extra_ids": 0}
        return {}

    def record(self) -> dict[str, Any]:
        """The resolved pipeline as JSON values."""
        style = self.style
        return {
            "kind": self.kind,
            "style": self.name,
            "vocab_size_asked": None if self.kind == "character" else style.vocab_size,
            "min_frequency": self.min_frequency,
            "limit_alphabet": self.limit_alphabet,
            "lowercase": style.lowercase,
            "strip_accents": style.strip_accents,
            "unicode_form": style.form,
            "special_tokens": self.specials,
            "single_template": style.single,
            "pair_template": style.pair,
            "model_max_length": style.max_length,
        }


def in_bytes(tokenizer: Any) -> bool:
    """Whether a `tokenizers.Tokenizer` sees its text as bytes, of which each has a token."""
    document = json.loads(tokenizer.to_str())
    return '"ByteLevel"' in json.dumps([document["normalizer"], document["pre_tokenizer"]])


def require_new(tokens: Sequence[str], there: Collection[str]) -> None:
    """Check the values of --special-token.

    Raises:
        UserError: one is blank, repeated, or among those that are `there`.
    """
    for number, token in enumerate(tokens):
        if not token.strip():
            raise UserError(f"--special-token {token!r}: it is blank", "Give a token such as '<url>'.")
        if token in there or token in tokens[:number]:
            raise UserError(f"--special-token {token!r}: it is there already", "Leave it out.")


def require_room(size: int, specials: int, *, in_bytes: bool) -> None:
    """Check --vocab-size against the tokens that are there before anything is learned.

    Raises:
        UserError: they take all of it.
    """
    least = specials + (BYTES if in_bytes else 1)
    if size < least:
        what = f"{BYTES} bytes and {specials}" if in_bytes else str(specials)
        raise UserError(f"--vocab-size {size}: there are {what} special tokens already", f"Give at least {least}.")


def with_tokens(tokenizer: Any, tokens: list[str], scores: list[float] | None = None) -> Any:
    """A copy of a tokenizer with more tokens in the vocabulary of its model, behind all that it has.

    Args:
        tokenizer: a `tokenizers.Tokenizer`.
        tokens: pieces as the model sees them (`##ing`, `▁the`); none of them is there yet.
        scores: of a unigram model, the log probability of each.
    """
    from tokenizers import Tokenizer

    document = json.loads(tokenizer.to_str())
    model = document["model"]
    # a token beside the model's vocabulary would lose its id to the new ones: give it its place in there
    added = sorted((item["id"], item["content"]) for item in document["added_tokens"])
    if isinstance(model["vocab"], list):
        for number, content in added:
            if number == len(model["vocab"]):
                model["vocab"].append([content, 0.0])
        exact = [round(score, SCORE_DECIMALS) for score in scores or [0.0] * len(tokens)]  # see with_exact_scores
        model["vocab"] += [list(item) for item in zip(tokens, exact, strict=True)]
    else:
        for number, content in added:
            model["vocab"].setdefault(content, number)
        start = max(model["vocab"].values(), default=-1) + 1
        model["vocab"].update({token: start + i for i, token in enumerate(tokens)})
    return Tokenizer.from_str(json.dumps(document, ensure_ascii=False))


def with_exact_scores(tokenizer: Any) -> Any:
    """A copy of a unigram tokenizer whose scores are the same numbers when its file is opened.

    `tokenizers` reads a score of 16 digits up to its last bit only. Of two ways to cut a word that are as likely,
    another one would then be taken by those who open the file.

    Args:
        tokenizer: a `tokenizers.Tokenizer` with a unigram model.
    """
    from tokenizers import Tokenizer

    document = json.loads(tokenizer.to_str())
    vocabulary = document["model"]["vocab"]
    document["model"]["vocab"] = [[piece, round(score, SCORE_DECIMALS)] for piece, score in vocabulary]
    return Tokenizer.from_str(json.dumps(document, ensure_ascii=False))


def _typed(template: str) -> str:
    """The template with the token type that is meant where none is written: 0."""
    return " ".join(item if ":" in item else f"{item}:0" for item in template.split())


def _special(token: str) -> Any:
    """A special token; the one to be filled in takes the blank before it, as RoBERTa's does."""
    from tokenizers import AddedToken

    return AddedToken(token, lstrip=token == "<mask>", normalized=False, special=True)
