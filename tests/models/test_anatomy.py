from __future__ import annotations

import pytest
from tiny import tiny

from nlpkit.errors import UserError
from nlpkit.models.anatomy import FAMILIES, anatomy


@pytest.mark.parametrize("architecture", list(FAMILIES))
def test_parts_have_the_shapes_they_should(architecture: str) -> None:
    model = tiny(architecture)
    found = anatomy(model)
    assert (found.heads, found.head_size, found.hidden) == (4, 8, 32)
    assert len(found.layers) == len(found.stack) == (1 if architecture == "albert" else 3)
    assert found.embeddings is model.get_input_embeddings()
    for layer in found.layers:
        assert layer.query.weight.shape == layer.key.weight.shape == layer.value.weight.shape == (32, 32)
        assert layer.attention_output.weight.shape == (32, 32)
        assert (layer.up.weight.shape, layer.down.weight.shape) == ((48, 32), (32, 48))
        assert found.heads_of(layer) == 4
        assert any(part is layer.query for part in layer.self_attention.children())


def test_a_model_without_a_head_has_the_same_parts() -> None:
    model = tiny("roberta")
    assert anatomy(model).layers[2].up is anatomy(model.base_model).layers[2].up


def test_albert_in_groups_is_refused() -> None:
    with pytest.raises(UserError, match="shares its layers in groups"):
        anatomy(tiny("albert", num_hidden_groups=3))
