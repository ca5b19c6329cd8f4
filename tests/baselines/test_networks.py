"""Networks over words read a text alone as they read it beside longer ones."""

from __future__ import annotations

import pytest
import torch

from nlpkit.baselines.networks import NETWORKS

PADDING = 0


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_no_answer(name: str) -> None:
    torch.manual_seed(3)
    network = NETWORKS[name](30, 4, PADDING, width=8).eval()
    rows = [torch.randint(1, 30, (length,)) for length in (1, 2, 5, 13)]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)
    together = network(ids, (ids != PADDING).long())["logits"]
    alone = torch.cat([network(row[None], torch.ones_like(row[None]))["logits"] for row in rows])
    assert together.shape == (4, 4)
    torch.testing.assert_close(together, alone)
    assert (together[0] - together[1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_the_order_of_words_is_read(name: str) -> None:
    torch.manual_seed(3)
    network = NETWORKS[name](30, 2, PADDING, width=8).eval()
    forth, back = (network(torch.tensor([ids]), torch.ones(1, 3))["logits"] for ids in ([4, 5, 6], [6, 5, 4]))
    assert (forth - back).abs().max() > 1e-4


def test_the_convolution_is_kims() -> None:
    network = NETWORKS["cnn"](10, 2, PADDING, width=6).eval()
    words = torch.tensor([[3, 4, 5, 6, 7, 8]])
    vectors = network.table(words)[0].detach()
    filters = network.layers[0]
    row = torch.nn.functional.pad(vectors, (0, 0, 2, 2))
    windows = torch.stack([(row[i : i + 3].T * filters.weight).sum((1, 2)) + filters.bias for i in range(8)])
    read = network.read(vectors[None], torch.tensor([6]))
    torch.testing.assert_close(read[0, :100], windows.relu().amax(dim=0))
