import pytest
import torch

from fashion.settings.model import SamplePruning
from fashion.training.pruning import Pruner

EPOCHS = 8
CPU = torch.device("cpu")


@pytest.fixture
def pruner() -> Pruner:
    """A pruner of 100 examples; the loss of each is its index."""
    pruner = Pruner(
        SamplePruning(easy_share=0.8, drop_rate=0.5, unpruned_tail=0.25),
        100,
        EPOCHS,
        torch.Generator().manual_seed(0),
        CPU,
    )
    pruner.record_losses(torch.arange(100), torch.arange(100.0))
    return pruner


def test_the_first_epoch_and_the_last_ones_use_all_examples(pruner: Pruner) -> None:
    assert [pruner.size(epoch) for epoch in range(EPOCHS)] == [100, 60, 60, 60, 60, 60, 100, 100]
    order = torch.randperm(100)
    for epoch in (0, 6, 7):
        chosen, weights = pruner.choose(epoch, order)
        assert torch.equal(chosen, order)
        assert torch.equal(weights, torch.ones(100))


def test_half_of_the_easy_examples_are_dropped_and_the_others_stay_in_their_order(pruner: Pruner) -> None:
    order = torch.randperm(100)
    chosen, _ = pruner.choose(1, order)
    assert sorted(chosen[chosen >= 80].tolist()) == list(range(80, 100))
    assert len(chosen) == pruner.size(1) == 60
    assert torch.equal(chosen, order[torch.isin(order, chosen)])


def test_the_easy_examples_that_stay_have_the_weight_of_those_dropped(pruner: Pruner) -> None:
    chosen, weights = pruner.choose(1, torch.arange(100))
    assert set(weights[chosen < 80].tolist()) == {2.0}
    assert set(weights[chosen >= 80].tolist()) == {1.0}
    assert weights.sum() == 100


def test_each_epoch_drops_other_examples(pruner: Pruner) -> None:
    first, second = (set(pruner.choose(epoch, torch.arange(100))[0].tolist()) for epoch in (1, 2))
    assert first != second


def test_an_example_whose_loss_has_risen_is_no_longer_easy(pruner: Pruner) -> None:
    pruner.record_losses(torch.tensor([3]), torch.tensor([1000.0]))
    for epoch in range(1, 6):
        chosen, weights = pruner.choose(epoch, torch.arange(100))
        assert weights[chosen == 3].tolist() == [1.0]
