"""Fine-tune an encoder with Lightning: bf16 where the processor has it, checkpoints, resume."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback, Checkpoint
from torch import Tensor, nn

from components.encoder.batches import LengthBatches, in_length_order, pad, tokenize
from components.encoder.config import EncoderConfig
from components.encoder.network import TextEncoder, masked_targets_loss
from components.preprocessing import encoder_directory
from mediareview.console import console
from mediareview.settings import get_settings


class FineTuning(pl.LightningModule):
    """Lightning's view of the training."""

    def __init__(
        self, network: TextEncoder, config: EncoderConfig, steps: int, class_weights: Tensor | None, seed: int
    ):
        super().__init__()
        self.network, self.config, self.steps, self.seed = network, config, steps, seed
        self.class_weights = class_weights

    def on_train_epoch_start(self) -> None:
        """Make dropout depend on seed and epoch only, so that a resumed training equals an uninterrupted one."""
        torch.manual_seed(self.seed + self.current_epoch)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        """Return the loss of a batch."""
        sequences, mask, targets = batch
        forward = self.network.from_frozen_states if self.network.frozen_layers else self.network
        # Mixed precision casts what it multiplies; the states were kept in 16 bits.
        logits = forward(sequences.float() if sequences.is_floating_point() else sequences, mask).float()
        if targets.ndim == 2:
            loss = masked_targets_loss(logits, targets.float())
        else:
            loss = nn.functional.cross_entropy(logits, targets.long(), self.class_weights)
        self.log("loss", loss, prog_bar=True)
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
    def __init__(self, sequences: list[Tensor], targets: NDArray[np.generic], batch_texts: int, seed: int) -> None:
        super().__init__()
        self.sequences, self.targets, self.batch_texts, self.seed = sequences, targets, batch_texts, seed

    def train_dataloader(self) -> LengthBatches:
        epoch = self.trainer.current_epoch if self.trainer else 0
        return LengthBatches(self.sequences, self.targets, self.batch_texts, self.seed, epoch)


class _LastEpoch(Checkpoint):
    """Keep the state after each epoch. It is complete or not there: the file is renamed once it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        partial = self._path.with_suffix(".partial")
        trainer.save_checkpoint(partial)
        partial.replace(self._path)


class _Progress(Callback):
    """Twenty lines a training: readable in a terminal, in a file and through Kubeflow's log."""

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        done, total = trainer.global_step, int(trainer.estimated_stepping_batches)
        if done == total or done % max(1, total // 20) == 0:
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

    Args:
        texts: normalised texts.
        targets: class numbers, shape [texts], or 0, 1 and NaN (not judged), shape [texts, labels].
        labels: number of labels.
        config: how to train.
        seed: of everything random.
        threads: CPU threads.
        checkpoint_dir: where ``last.ckpt`` is kept.
        class_weights: shape [labels], for exclusive classes.

    Returns:
        The trained network, in evaluation mode.
    """
    _quieten()
    torch.set_num_threads(threads)
    pl.seed_everything(seed, verbose=False)
    directory = encoder_directory(get_settings())
    network = TextEncoder(directory, labels, config.frozen_layers, config.dropout, config.encoder_dropout)
    mixed = _has_bf16()
    sequences = tokenize(texts, directory / "tokenizer.json", config.max_train_tokens or config.max_tokens)
    if config.frozen_layers:
        sequences = _frozen_states(network, sequences, mixed)
    steps = config.epochs * len(LengthBatches(sequences, targets, config.batch_texts, seed, 0))
    weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
    checkpoint_dir.mkdir(parents=True, exist_ok=True)
    last = checkpoint_dir / "last.ckpt"
    trainer = pl.Trainer(
        max_epochs=config.epochs,
        accelerator="cpu",
        precision="bf16-mixed" if mixed else "32-true",
        reload_dataloaders_every_n_epochs=1,
        callbacks=[_LastEpoch(last), _Progress()],
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        default_root_dir=checkpoint_dir,
    )
    trainer.fit(
        FineTuning(network, config, steps, weights, seed),
        datamodule=_Epochs(sequences, targets, config.batch_texts, seed),
        ckpt_path=str(last) if last.is_file() else None,
        weights_only=True,
    )
    return network.float().eval()


def predict(network: TextEncoder, texts: list[str], max_tokens: int) -> NDArray[np.float32]:
    """Return the network's logits in full precision, shape [texts, labels]; the reference for the export."""
    sequences = tokenize(texts, encoder_directory(get_settings()) / "tokenizer.json", max_tokens)
    logits = np.empty((len(texts), network.head.out_features), dtype=np.float32)
    with torch.inference_mode():
        for rows in in_length_order(sequences):
            logits[rows] = network(*pad([sequences[row] for row in rows])).numpy()
    return logits


def _frozen_states(network: TextEncoder, sequences: list[Tensor], mixed: bool) -> list[Tensor]:
    """Return what leaves the frozen layers for each text, shape [tokens, hidden]; 16 bits halve the memory."""
    network.eval()
    states = list(sequences)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        for rows in in_length_order(sequences):
            padded, mask = pad([sequences[row] for row in rows])
            for row, state in zip(rows, network.frozen_states(padded, mask).bfloat16(), strict=True):
                states[row] = state[: len(sequences[row])].clone()
    return states


def _has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 matrices; emulated, it would be slower than 32 bits."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def _quieten() -> None:
    """Silence what Lightning says about loops that are meant to be as they are."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
