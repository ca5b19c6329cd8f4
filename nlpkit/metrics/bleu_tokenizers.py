"""How BLEU parts texts into words: the ways of sacrebleu that need nothing from the network."""

from __future__ import annotations

import os
from pathlib import Path

from nlpkit.errors import UserError

INSTALL = "pip install 'nlpkit[generate]'"
DEFAULT = "13a"  # that of WMT, and sacrebleu's own
TOKENIZERS = ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores101", "flores200", "none")
DICTIONARIES = {"ja-mecab": "ja", "ko-mecab": "ko"}  # extras of sacrebleu
MODELS = {"flores101": "sacrebleu_tokenizer_spm.model", "flores200": "flores200sacrebleuspm"}  # that sacrebleu fetches


def require(name: str = DEFAULT) -> None:
    """Raises UserError: sacrebleu, or what this way of it needs, is not here."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.utils import SACREBLEU_DIR
    except ImportError as error:
        raise UserError(f"BLEU, chrF and TER need sacrebleu: {error}", INSTALL) from None
    if name not in TOKENIZERS:
        raise UserError(f"BLEU has no tokenizer {name}", f"It has: {', '.join(TOKENIZERS)}")
    if name in MODELS:
        model = Path(os.fspath(SACREBLEU_DIR)) / "models" / MODELS[name]
        if not model.exists():
            raise UserError(
                f"the BLEU tokenizer {name} needs a file that sacrebleu fetches, and nlpkit does not: {model}",
                f"Where there is a network, sacrebleu --tokenize {name} fetches it once.",
            )
    try:
        BLEU(tokenize=name)
    except (ImportError, RuntimeError) as error:
        missing = f"sacrebleu[{DICTIONARIES[name]}]" if name in DICTIONARIES else "sentencepiece"
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"the BLEU tokenizer {name} is not there: {reason}", f"pip install '{missing}'") from None
