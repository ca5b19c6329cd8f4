"""What a command asks for in place of what the folder of a model says of its vectors."""

from __future__ import annotations

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.options import Config
from nlpkit.tasks.sentence_embedding.options import PoolingOptions, SidePromptOptions, VectorOptions
from nlpkit.tasks.sentence_embedding.vectors import Vectors


def asked_for(vectors: Vectors, options: Config) -> Vectors:
    """The vectors that a command makes.

    Args:
        vectors: of the model.
        options: of the command: `PoolingOptions`, and where it has them, how many dimensions are kept and what stands
            before queries and documents.

    Raises:
        UserError: both a prompt and the name of one were given, or there is no such prompt.
    """
    asked = PoolingOptions.of(options)
    prompted = asked.prompt is not None or asked.prompt_name is not None
    if asked.prompt is not None and asked.prompt_name is not None:
        raise UserError("--prompt gives the text, --prompt-name names one of the model's", "Give one of them.")
    if prompted:
        vectors = vectors.with_prompt(asked.prompt_name, asked.prompt)
    if asked.pooling:
        vectors = vectors.with_(pooling=tuple(asked.pooling), guessed="", source="--pooling")
    if asked.layers is not None:
        vectors = vectors.with_(layers=asked.layers)
    if asked.normalize is not None:
        vectors = vectors.with_(normalize=asked.normalize)
    if isinstance(options, VectorOptions):
        vectors = vectors if options.dims is None else vectors.with_(dims=options.dims)
        if vectors.asymmetric and not isinstance(options, SidePromptOptions):  # of texts by themselves
            reporting.current().warn(
                "texts are embedded without a prompt, and the model was trained with one for queries and one for "
                "documents: --prompt-name query, or --prompt-name document"
            )
    if isinstance(options, SidePromptOptions):
        sides = (options.prompt_query, options.prompt_document)
        if any(side is not None for side in sides):
            if prompted:
                raise UserError(
                    "--prompt and --prompt-name are of all texts, --prompt-query and --prompt-document of one side",
                    "Give one kind of them.",
                )
            vectors = vectors.with_side_prompts(*sides)
    return vectors
