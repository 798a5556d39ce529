"""Training loops that `benchmarks.engine` compares: the project's engine, a plain PyTorch loop, skorch and Lightning.

Each function of `LOOPS` gives a function that trains one epoch of `variant` on `images`, uint8 of N x 1 x 32 x 32 with
their margin, with `labels`, int64 of N. All do the same work: the same layers, each image once in a new order, the same
optimiser and learning rate. At the end of an epoch, its loss and accuracy are known.

>>> epoch = LOOPS["engine"](variant, images, labels, threads=1, precision="fp32")
>>> epoch()  # trains
"""

import logging
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from fashion.classifier.device import configure_torch
from fashion.classifier.preparation import Preparation
from fashion.networks.building import factory
from fashion.networks.building.layers import Conv2d, Dropout, OutputLinear
from fashion.networks.building.pooling import MaxPool
from fashion.settings.frame import Frame
from fashion.settings.model import Phase, System
from fashion.training.trainer import Examples, Score, Trainer

Epoch = Callable[[], object]
FRAME = Frame(  # of Fashion-MNIST's images, as ingest makes them
    channels=1, height=32, width=32, content_height=28, content_width=28, enlarge=False, background=[0]
)
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def build_network(variant: System) -> nn.Sequential:
    torch.manual_seed(0)
    model = factory.build_network(
        variant.family, variant.arguments, image_shape=(FRAME.channels, *input_size(variant)), num_classes=10
    )
    assert isinstance(model, nn.Sequential)
    return model


def input_size(variant: System) -> list[int]:
    """Give the height and width of the input of a variant's network."""
    return variant.input.input_size(FRAME.content_height, FRAME.content_width)


def first_phase(variant: System) -> Phase:
    return next(iter(variant.phases.values()))


def make_preparation(variant: System, images: Tensor) -> Preparation:
    return Preparation.of(
        images.numpy(),
        FRAME,
        size=input_size(variant),
        scaling=variant.input.scaling,
        fill=variant.input.size == "auto",
    )


def prepare_all(variant: System, images: Tensor) -> Tensor:
    """Scale all images before the training, as the write-ups do."""
    return make_preparation(variant, images)(images)


def engine(variant: System, images: Tensor, labels: Tensor, threads: int, precision: str) -> Epoch:
    configure_torch(threads)
    model = build_network(variant).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    phase = first_phase(variant)
    trainer = Trainer(
        model=model,
        prepare=make_preparation(variant, images),
        train=Examples(images, labels),
        validation=Examples(images, labels),
        batch_size=variant.batch_size,
        generator=torch.Generator().manual_seed(0),
        dtype=DTYPES[precision],
    )
    # A few of these epochs are trained, with the first learning rate. `PhaseState.of` takes time for each of them.
    phase_state = trainer.new_phase_state(phase, max_epochs=1000)

    def epoch() -> Score:
        phase_state.epochs_done = 0  # no example is pruned in the first epoch
        return trainer.train_epoch("benchmark", phase_state)

    return epoch


def plain(variant: System, images: Tensor, labels: Tensor, threads: int, precision: str) -> Epoch:
    """Train as the write-ups do: DataLoader, fp32, NCHW, an unfused optimiser, and two calls of `.item()` per batch."""
    assert precision == "fp32"
    torch.set_num_threads(threads)
    model = as_published(build_network(variant))
    loader = DataLoader(
        TensorDataset(prepare_all(variant, images), labels), batch_size=variant.batch_size, shuffle=True
    )
    optimizer = plain_optimizer(variant, model)

    def epoch() -> tuple[float, int]:
        model.train()
        total, correct = 0.0, 0
        for batch, targets in loader:
            optimizer.zero_grad()
            logits = model(batch)
            loss = cross_entropy(logits, targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
            correct += (logits.argmax(1) == targets).sum().item()
        return total, correct

    return epoch


def skorch(variant: System, images: Tensor, labels: Tensor, threads: int, precision: str) -> Epoch:
    assert precision == "fp32"
    from skorch import NeuralNetClassifier

    torch.set_num_threads(threads)
    net = NeuralNetClassifier(
        as_published(build_network(variant)),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=first_phase(variant).lr,
        optimizer__weight_decay=first_phase(variant).weight_decay,
        batch_size=variant.batch_size,
        iterator_train__shuffle=True,
        max_epochs=1,
        train_split=None,
        verbose=0,
    ).initialize()
    inputs = prepare_all(variant, images)
    return lambda: net.partial_fit(inputs, labels)


def lightning(variant: System, images: Tensor, labels: Tensor, threads: int, precision: str) -> Epoch:
    import pytorch_lightning

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    torch.set_num_threads(threads)
    model = as_published(build_network(variant))

    class Module(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            return cross_entropy(self.model(batch[0]).float(), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return plain_optimizer(variant, self)

    module = Module()
    loader = DataLoader(
        TensorDataset(prepare_all(variant, images), labels), batch_size=variant.batch_size, shuffle=True
    )

    def epoch() -> None:
        trainer = pytorch_lightning.Trainer(
            accelerator="cpu",
            precision={"bf16": "bf16-mixed", "fp32": "32-true"}[precision],
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)

    return epoch


def plain_optimizer(variant: System, model: nn.Module) -> torch.optim.Optimizer:
    phase = first_phase(variant)
    if phase.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=phase.lr, weight_decay=phase.weight_decay)
    return torch.optim.SGD(model.parameters(), lr=phase.lr, momentum=phase.momentum, weight_decay=phase.weight_decay)


def as_published(model: nn.Sequential) -> nn.Sequential:
    """Undo what the families do for speed and precision: pool after activation and dropout, use PyTorch's layers."""
    layers: list[nn.Module] = []
    pool: nn.Module | None = None
    for layer in model:
        if pool is not None and not isinstance(layer, nn.Dropout2d):
            layers.append(pool)
            pool = None
        if isinstance(layer, Conv2d):
            kernel, padding = layer.kernel_size[0], int(layer.padding[0])
            copy = nn.Conv2d(layer.in_channels, layer.out_channels, kernel, padding=padding)
            copy.load_state_dict(layer.state_dict())
            layers.append(copy)
        elif isinstance(layer, OutputLinear):
            linear = nn.Linear(layer.in_features, layer.out_features)
            linear.load_state_dict(layer.state_dict())
            layers.append(linear)
        elif isinstance(layer, Dropout):
            layers.append(nn.Dropout(layer.p))
        elif isinstance(layer, MaxPool):
            layers.append(nn.ReLU(inplace=True))
            pool = nn.MaxPool2d(layer.size)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


LOOPS = {"engine": engine, "plain": plain, "skorch": skorch, "lightning": lightning}
