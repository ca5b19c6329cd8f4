"""Whether a model and a tokenizer belong together, and what the one has to be told of the other.

Nothing here goes by the names of architectures: it looks at a model's tables. A tokenizer that does not fit makes torch
look up rows that are not there, deep inside a forward pass; or it pads so that a row's answer hangs on its neighbours.
"""

from __future__ import annotations

import copy
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlpkit import reporting
from nlpkit.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from nlpkit.models.bare_config import BareConfig


FIRST_POSITION = "nlpkit_first_position"  # in the config.json of an exported model
# how the table of absolute positions is called; those of boxes on a page (LayoutLM), of entities and of characters
# are others
POSITIONS = ("position_embeddings", "positions_embed", "embed_positions", "wpe")
# such a table that is made with a padding row, in the code of an architecture
_PADDED = re.compile(rf"\b(?:{'|'.join(POSITIONS)})\s*=\s*[\w.]+\((?:[^()]|\([^()]*\))*?pad")


def fit(model: Any, tokenizer: Any, *, flag: str = "--tokenizer") -> None:
    """Check that a tokenizer fits a model, and let each know what it needs of the other.

    A tokenizer that tells apart more token types than the model no longer gives them, one that pads on the wrong side
    (the left of absolute positions, the right of a model that reads the last token) pads on the other, and the model is
    told which id is padding.

    Args:
        model: a transformers model, or one that runs in ONNX Runtime.
        tokenizer: changed in place.
        flag: the option that names another tokenizer, for messages.

    Raises:
        UserError: the tokenizer gives ids that the model does not know.
    """
    require_vocabulary(model, tokenizer, f"They do not belong together: name the right one with {flag}.")
    config = model.config
    _drop_types(model, tokenizer)
    exported = not hasattr(model, "named_modules")
    if exported:
        return
    side = _padding_side(model)
    if side is not None and tokenizer.padding_side != side:
        reporting.current().note(
            f"the tokenizer pads on the {tokenizer.padding_side}, which the model would read: {side}"
        )
        tokenizer.padding_side = side
    if not first_position(model) and getattr(config, "pad_token_id", None) != tokenizer.pad_token_id:
        config.pad_token_id = tokenizer.pad_token_id  # decoders read off it where a text ends


def require_vocabulary(model: Any, tokenizer: Any, hint: str) -> None:
    """Check that the model has an embedding for each of the tokenizer's ids.

    Args:
        model: see `fit`.
        tokenizer: any.
        hint: what to do where it lacks some.

    Raises:
        UserError: it lacks some.
    """
    known = vocabulary_size(model)
    if known is None:
        return
    wanted = max(len(tokenizer), max(tokenizer.get_vocab().values(), default=-1) + 1)
    if wanted > known:
        raise UserError(f"the tokenizer has {wanted:,} tokens, the model {known:,}", hint)


def vocabulary_size(model: Any) -> int | None:
    """How many token ids a model knows; None for any (CANINE hashes characters)."""
    if not hasattr(model, "get_input_embeddings"):  # exported
        return getattr(model.config, "vocab_size", None)
    table = token_table(model)
    return None if table is None else int(table.shape[0])


def token_embedding(model: Any) -> Any:
    """What looks token ids up, None where nothing does: CANINE hashes characters.

    It need not be a `nn.Embedding`: I-BERT's is quantized.
    """
    try:
        return model.get_input_embeddings()
    except NotImplementedError:
        return None


def token_table(model: Any) -> Any:
    """The weights of the token embedding, shape (tokens, width), None where there are none.

    What Perceiver names as its input are its latents.
    """
    return getattr(token_embedding(model), "weight", None)


def position_table(model: Any) -> Any:
    """The table of absolute positions, None where a model has none (relative or rotary ones)."""
    for name, part in model.named_modules():
        if name.rpartition(".")[2] in POSITIONS and getattr(part, "weight", None) is not None:
            return part
    return None


def first_position(model: Any) -> int:
    """The row of the position table that the first token gets.

    RoBERTa and its kin count from behind their padding id, and know as many positions less; the padding index of
    their table says so.
    """
    padding = getattr(position_table(model), "padding_idx", None)
    return 0 if padding is None else padding + 1


def remember_first_position(config: PreTrainedConfig, model: Any) -> None:
    """Write into a config what its exported model no longer shows, and what takes a second to find out otherwise."""
    setattr(config, FIRST_POSITION, first_position(model))


def first_position_of(config: PreTrainedConfig | BareConfig) -> int:
    """See `first_position`; remembered in a config, or found in the encoder that it describes, without weights."""
    if (known := getattr(config, FIRST_POSITION, None)) is not None:
        return int(known)
    if not _may_skip_positions(config):
        return 0
    import torch
    from transformers import AutoModel

    from nlpkit.models.files import STRUCTURE

    bare: Any = copy.deepcopy(config)
    if hasattr(bare, STRUCTURE):  # what was pruned are its layers
        bare.__class__ = type(bare).__mro__[1]
    # code that came with a model runs only where its config's has run already
    trusted = type(config).__module__.startswith("transformers_modules")
    try:
        with torch.device("meta"):
            return first_position(AutoModel.from_config(bare, trust_remote_code=trusted))
    except Exception:  # what is wrong with it, opening the model says
        return 0


def _may_skip_positions(config: PreTrainedConfig | BareConfig) -> bool:
    """Whether the code of the architecture has a position table with a padding row.

    To read it takes a hundredth of the second or two that its import takes, which few architectures need.
    """
    place = Path(inspect.getfile(type(config)))
    code = place.with_name(place.name.replace("configuration_", "modeling_"))
    return code == place or not code.is_file() or _PADDED.search(code.read_text(encoding="utf-8")) is not None


def reads_mask(model: Any) -> bool:
    """Whether a model can be told which tokens are padding; FNet mixes all of a row."""
    forward = getattr(model, "forward", None)
    if forward is None:  # exported
        return "attention_mask" in model.inputs
    parameters = inspect.signature(forward).parameters
    return "attention_mask" in parameters or any(p.kind is p.VAR_POSITIONAL for p in parameters.values())


def _padding_side(model: Any) -> str | None:
    """Where padding leaves what a model says of a row as it is; None where either side will do.

    A shifted text is another one to absolute positions; a summary of the last token must not be one of padding.
    """
    if position_table(model) is not None:
        return "right"
    return "left" if getattr(model.config, "summary_type", None) == "last" else None


def _drop_types(model: Any, tokenizer: Any) -> None:
    """Let a tokenizer give no token types that the model has no embedding for, or does not take."""
    if "token_type_ids" not in tokenizer.model_input_names:
        return
    known = getattr(model.config, "type_vocab_size", None)
    # the types of padding are looked up too: XLNet's have a number of their own
    highest = max(*tokenizer("a", "a")["token_type_ids"], tokenizer.pad_token_type_id)
    forward = getattr(model, "forward", None)
    unread = forward is not None and not {"token_type_ids", "kwargs"} & set(inspect.signature(forward).parameters)
    if unread or (known and highest >= known):
        if not unread:
            reporting.current().note(
                f"the tokenizer has {highest + 1} token types, the model {known}: they are left out"
            )
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
