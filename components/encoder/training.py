"""Fine-tune an encoder with Lightning, in one process or several: bf16 where there is hardware, checkpoints, resume."""

import logging
import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback, Checkpoint
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from components.encoder.batches import LengthBatches, in_length_order, pad, tokenize
from components.encoder.config import EncoderConfig
from components.encoder.losses import mean_loss, share_of_all
from components.encoder.network import TextEncoder
from components.encoder.processes import ALONE, Processes
from components.preprocessing import encoder_directory
from mediareview.console import console
from mediareview.settings import get_settings

LAST = "last.ckpt"


class FineTuning(pl.LightningModule):
    """Lightning's view of the training."""

    class_weights: Tensor | None

    def __init__(
        self,
        network: TextEncoder,
        config: EncoderConfig,
        steps: int,
        class_weights: Tensor | None,
        seed: int,
        processes: Processes = ALONE,
    ):
        super().__init__()
        self.network, self.config, self.steps, self.seed, self.processes = network, config, steps, seed, processes
        self.register_buffer("class_weights", class_weights, persistent=False)

    def on_train_start(self) -> None:
        """Check that several processes go on from the same checkpoint."""
        self.processes.agree(self.current_epoch, "epoch of last.ckpt")
        if self.processes.count > 1:
            # Lightning ends an epoch's step together when one process is told to stop. The others may be gone by then,
            # and nothing is lost: the last complete epoch is on disk.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_train_epoch_start(self) -> None:
        """Make dropout depend on seed, epoch and process only: a resumed training equals an uninterrupted one."""
        torch.manual_seed(self.seed + self.current_epoch + 1_000_003 * self.processes.rank)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        """Return the loss of a batch."""
        sequences, mask, targets = batch
        forward = self.network.from_frozen_states if self.network.frozen_layers else self.network
        # Mixed precision casts what it multiplies; the states were kept in 16 bits.
        logits = forward(sequences.float() if sequences.is_floating_point() else sequences, mask).float()
        loss, weight = mean_loss(logits[: len(targets)], targets, self.class_weights)
        whole = loss
        if self.processes.count > 1:
            loss, whole = share_of_all(loss, weight)
        self.log("loss", whole, prog_bar=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip gradients here, for Lightning's own clipping refuses fused optimizers (four times faster on CPUs)."""
        nn.utils.clip_grad_norm_(self.network.parameters(), max_norm=1.0)

    def configure_optimizers(self) -> Any:
        """AdamW with a linear warm-up and decay."""
        groups = self.network.parameter_groups(self.config.learning_rate, self.config.layer_decay)
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
        rise = max(1, int(self.steps * self.config.warmup))

        def factor(step: int) -> float:
            return min((step + 1) / rise, max(0.0, (self.steps - step) / max(1, self.steps - rise)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Epochs(pl.LightningDataModule):
    def __init__(
        self,
        sequences: list[Tensor],
        targets: NDArray[np.generic],
        batch_texts: int,
        seed: int,
        processes: Processes,
    ) -> None:
        super().__init__()
        self.sequences, self.targets, self.batch_texts, self.seed = sequences, targets, batch_texts, seed
        self.processes = processes

    def train_dataloader(self) -> LengthBatches:
        epoch = self.trainer.current_epoch if self.trainer else 0
        return LengthBatches(self.sequences, self.targets, self.batch_texts, self.seed, epoch, self.processes)


class _LastEpoch(Checkpoint):
    """Keep the state after each epoch. It is complete or not there: the file is renamed once it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        partial = self._path.with_suffix(".partial")
        trainer.save_checkpoint(partial)  # of several processes the first writes, and the others wait for it
        if trainer.is_global_zero:
            partial.replace(self._path)


class _Progress(Callback):
    """Twenty lines a training: readable in a terminal, in a file and through Kubeflow's log."""

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        done, total = trainer.global_step, int(trainer.estimated_stepping_batches)
        if trainer.is_global_zero and (done == total or done % max(1, total // 20) == 0):
            loss = float(trainer.callback_metrics["loss"])
            console.print(f"  epoch {trainer.current_epoch + 1}, step {done} of {total}, loss {loss:.3f}")


def fine_tune(
    texts: list[str],
    targets: NDArray[np.generic],
    labels: int,
    config: EncoderConfig,
    seed: int,
    threads: int,
    checkpoint_dir: Path,
    class_weights: NDArray[np.floating] | None = None,
) -> TextEncoder:
    """Fine-tune the encoder; a training that was interrupted goes on after its last complete epoch.

    Where ``torch.distributed`` has joined a group, its processes train together, each called with the same arguments:
    an epoch has the batches of one process, and every batch is split among them.

    Args:
        texts: normalised texts.
        targets: class numbers, shape [texts], or 0, 1 and NaN (not judged), shape [texts, labels].
        labels: number of labels.
        config: how to train.
        seed: of everything random.
        threads: CPU threads; processes on one node share them.
        checkpoint_dir: where ``last.ckpt`` is kept; the same for all processes.
        class_weights: shape [labels], for exclusive classes.

    Returns:
        The trained network, in evaluation mode.

    Raises:
        MediaReviewError: the processes do not see the same checkpoint.
    """
    _quieten()
    processes = Processes.joined()
    torch.set_num_threads(max(1, threads // processes.on_this_node))
    pl.seed_everything(seed, verbose=False)
    directory = encoder_directory(get_settings())
    network = TextEncoder(directory, labels, config.frozen_layers, config.dropout, config.encoder_dropout)
    last = checkpoint_dir / LAST
    if is_finished(checkpoint_dir, config):
        state = torch.load(last, weights_only=True)["state_dict"]
        network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
        return network.float().eval()
    mixed = _has_bf16(processes.device)
    sequences = tokenize(texts, directory / "tokenizer.json", config.max_train_tokens or config.max_tokens)
    if config.frozen_layers:
        sequences = _frozen_states(network, sequences, mixed, processes)
    steps = config.epochs * len(LengthBatches(sequences, targets, config.batch_texts, seed, 0))
    weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
    checkpoint_dir.mkdir(parents=True, exist_ok=True)
    trainer = pl.Trainer(
        max_epochs=config.epochs,
        accelerator="gpu" if processes.device.type == "cuda" else "cpu",
        strategy=DDPStrategy() if processes.count > 1 else "auto",
        devices=processes.on_this_node,
        num_nodes=processes.nodes,
        use_distributed_sampler=False,  # batches know their processes
        precision="bf16-mixed" if mixed else "32-true",
        reload_dataloaders_every_n_epochs=1,
        callbacks=[_LastEpoch(last), _Progress()],
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        default_root_dir=checkpoint_dir,
    )
    trainer.fit(
        FineTuning(network, config, steps, weights, seed, processes),
        datamodule=_Epochs(sequences, targets, config.batch_texts, seed, processes),
        ckpt_path=str(last) if last.is_file() else None,
        weights_only=True,
    )
    return network.float().eval()


def is_finished(checkpoint_dir: Path, config: EncoderConfig) -> bool:
    """Whether the checkpoint is that of the last epoch."""
    last = checkpoint_dir / LAST
    if not last.is_file():
        return False
    epoch: int = torch.load(last, weights_only=True, mmap=True)["epoch"]
    return epoch + 1 >= config.epochs


def predict(network: TextEncoder, texts: list[str], max_tokens: int) -> NDArray[np.float32]:
    """Return the network's logits in full precision, shape [texts, labels]; the reference for the export."""
    sequences = tokenize(texts, encoder_directory(get_settings()) / "tokenizer.json", max_tokens)
    logits = np.empty((len(texts), network.head.out_features), dtype=np.float32)
    with torch.inference_mode():
        for rows in in_length_order(sequences):
            logits[rows] = network(*pad([sequences[row] for row in rows])).numpy()
    return logits


def _frozen_states(network: TextEncoder, sequences: list[Tensor], mixed: bool, processes: Processes) -> list[Tensor]:
    """Return what leaves the frozen layers for each text, shape [tokens, hidden]; 16 bits halve the memory.

    Several processes take turns with the batches, and hand what they computed to the others.
    """
    network.eval().to(processes.device)
    states = list(sequences)
    batches = list(in_length_order(sequences))

    def computed(rows: NDArray[np.intp]) -> Tensor:
        padded, mask = (part.to(processes.device) for part in pad([sequences[row] for row in rows]))
        return network.frozen_states(padded, mask).bfloat16().cpu()

    def blank(rows: NDArray[np.intp]) -> Tensor:
        longest = max(len(sequences[row]) for row in rows)
        return torch.empty((len(rows), longest, network.head.in_features), dtype=torch.bfloat16)

    with torch.no_grad(), torch.autocast(processes.device.type, torch.bfloat16, enabled=mixed):
        for first in range(0, len(batches), processes.count):
            turn = batches[first : first + processes.count]
            own = [computed(rows) if process == processes.rank else blank(rows) for process, rows in enumerate(turn)]
            for process, rows in enumerate(turn):
                for row, state in zip(rows, processes.broadcast(own[process], process), strict=True):
                    states[row] = state[: len(sequences[row])].clone()
    return states


def _has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices; emulated, it would be slower than 32 bits."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def _quieten() -> None:
    """Silence what Lightning says about loops that are meant to be as they are."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
