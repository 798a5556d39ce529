"""Ways to train one epoch: this project's engine, the loop as the write-ups have it, and two libraries.

Each gives a function that trains one epoch over `images`, uint8 of N x H x W, with `labels`, int64 of N. All do the
same work: the same layers, every image once in a new order, the same optimiser and rate, loss and accuracy known after.
"""

import logging
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from fashion.classifier.device import prepare_to_compute
from fashion.classifier.preparation import Preparation
from fashion.networks.building import families
from fashion.networks.building.layers import Conv2d, Dropout
from fashion.networks.building.pooling import MaxPool
from fashion.settings.system import Phase, System
from fashion.training.trainer import Examples, Trainer

Epoch = Callable[[], object]
CONTENT = 28  # pixels a side of Fashion-MNIST's images without their margin
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


def build(what: System) -> nn.Sequential:
    torch.manual_seed(0)
    model = families.build(what.family, what.arguments, image_size=what.input.side(CONTENT), num_classes=10)
    assert isinstance(model, nn.Sequential)
    return model


def first_phase(what: System) -> Phase:
    return next(iter(what.phases.values()))


def preparation(what: System, images: Tensor) -> Preparation:
    return Preparation.of(images.numpy(), size=what.input.side(CONTENT), scaling=what.input.scaling)


def prepared(what: System, images: Tensor) -> Tensor:
    """Scale all images beforehand, as the write-ups do."""
    return preparation(what, images)(images)


def engine(what: System, images: Tensor, labels: Tensor, threads: int, precision: str) -> Epoch:
    prepare_to_compute(threads)
    model = build(what).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    phase = first_phase(what)
    trainer = Trainer(
        model=model,
        prepare=preparation(what, images),
        train=Examples(images, labels),
        validation=Examples(images, labels),
        batch_size=what.batch_size,
        order=torch.Generator().manual_seed(0),
        dtype=DTYPES[precision],
        on_step=lambda *_: None,
        on_epoch=lambda _: None,
    )
    course = trainer.start(phase, 1000)  # a few are run, at the first rate; `Course` looks at each
    return lambda: trainer.train_epoch("bench", 0, course)


def plain(what: System, images: Tensor, labels: Tensor, threads: int, precision: str) -> Epoch:
    """Loop as the write-ups do: DataLoader, fp32, NCHW, plain optimiser, two `.item()` a batch."""
    assert precision == "fp32"
    torch.set_num_threads(threads)
    model = as_published(build(what))
    loader = DataLoader(TensorDataset(prepared(what, images), labels), batch_size=what.batch_size, shuffle=True)
    optimizer = plain_optimizer(what, model)

    def epoch() -> tuple[float, int]:
        model.train()
        total, correct = 0.0, 0
        for batch, wanted in loader:
            optimizer.zero_grad()
            logits = model(batch)
            loss = cross_entropy(logits, wanted)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(wanted)
            correct += (logits.argmax(1) == wanted).sum().item()
        return total, correct

    return epoch


def skorch(what: System, images: Tensor, labels: Tensor, threads: int, precision: str) -> Epoch:
    assert precision == "fp32"
    from skorch import NeuralNetClassifier

    torch.set_num_threads(threads)
    net = NeuralNetClassifier(
        as_published(build(what)),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=first_phase(what).lr,
        optimizer__weight_decay=first_phase(what).weight_decay,
        batch_size=what.batch_size,
        iterator_train__shuffle=True,
        max_epochs=1,
        train_split=None,
        verbose=0,
    ).initialize()
    inputs = prepared(what, images)
    return lambda: net.partial_fit(inputs, labels)


def lightning(what: System, images: Tensor, labels: Tensor, threads: int, precision: str) -> Epoch:
    import pytorch_lightning

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    torch.set_num_threads(threads)
    model = as_published(build(what))

    class Module(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
            return cross_entropy(self.model(batch[0]).float(), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return plain_optimizer(what, self)

    module = Module()
    loader = DataLoader(TensorDataset(prepared(what, images), labels), batch_size=what.batch_size, shuffle=True)

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


def plain_optimizer(what: System, model: nn.Module) -> torch.optim.Optimizer:
    phase = first_phase(what)
    if phase.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=phase.lr, weight_decay=phase.weight_decay)
    return torch.optim.SGD(model.parameters(), lr=phase.lr, momentum=phase.momentum, weight_decay=phase.weight_decay)


def as_published(model: nn.Sequential) -> nn.Sequential:
    """Undo what the families do for speed: pool after activation and dropout, plain convolutions."""
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
        elif isinstance(layer, Dropout):
            layers.append(nn.Dropout(layer.p))
        elif isinstance(layer, MaxPool):
            layers.append(nn.ReLU(inplace=True))
            pool = nn.MaxPool2d(layer.size)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


LOOPS = {"engine": engine, "plain": plain, "skorch": skorch, "lightning": lightning}
