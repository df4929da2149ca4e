"""The Lightning part: an autoencoder that predicts what was hidden from a history.

One hidden layer, a multinomial likelihood (Liang et al., Variational Autoencoders for Collaborative Filtering, 2018)
over the titles that were hidden, as masked training does (Devlin et al., BERT, 2019). Serving computes it in NumPy.
"""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn
from torch.nn import functional

from components.recommender.config import AutoencoderConfig
from mediareview.console import console

Floats = NDArray[np.float32]
CHECKPOINT_EPOCHS = 10


class MaskedAutoencoder(pl.LightningModule):
    """tanh(x / |x| W1 + b1) W2 + b2, trained to rank the hidden titles of a user first.

    Args:
        popularity: number of ratings of each title, shape [n_items]; gives the first output bias.
        config: sizes and optimiser.
        steps: optimiser steps of the whole training.
        seed: of weights, dropout and masks.
    """

    def __init__(self, popularity: Tensor, config: AutoencoderConfig, steps: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.config, self.steps, self.seed = config, steps, seed
        self.encoder = nn.Linear(len(popularity), config.hidden)
        self.decoder = nn.Linear(config.hidden, len(popularity))
        with torch.no_grad():
            self.decoder.bias.copy_(torch.log((popularity + 0.5) / (popularity.sum() + 1)))

    def forward(self, histories: Tensor) -> Tensor:
        """Return logits [users, n_items] for weighted histories [users, n_items]."""
        hidden = torch.tanh(self.encoder(functional.normalize(histories)))
        logits: Tensor = self.decoder(functional.dropout(hidden, self.config.dropout, self.training))
        return logits

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        """Return the mean negative log-likelihood of the hidden titles."""
        # Masks and dropout depend on seed and step only, so that a resumed training equals an uninterrupted one.
        torch.manual_seed(self.seed * 1_000_003 + self.global_step)
        hidden_share = torch.rand(len(batch), 1) * self.config.max_hidden_share
        visible = batch * (torch.rand_like(batch) > hidden_share)
        # Titles that are shown cannot be the answer.
        logits = self(visible).masked_fill(visible > 0, -1e4)
        targets = ((batch > 0) & (visible == 0)).float()
        likelihood = (functional.log_softmax(logits, dim=1) * targets).sum(1) / targets.sum(1).clamp(min=1)
        loss = -likelihood.mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW with a one-cycle schedule (Smith and Topin, Super-Convergence, 2018)."""
        optimizer = torch.optim.AdamW(
            self.parameters(), self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.config.learning_rate, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Histories(torch.utils.data.IterableDataset[Tensor]):
    """Batches of dense rows of a sparse matrix; their order depends on seed and epoch only."""

    def __init__(self, interactions: sp.csr_matrix, batch_users: int, seed: int, network: MaskedAutoencoder) -> None:
        self.interactions, self.batch_users, self.seed, self.network = interactions, batch_users, seed, network

    def __len__(self) -> int:
        return int(-(-self.interactions.shape[0] // self.batch_users))

    def __iter__(self) -> Iterator[Tensor]:
        order = np.random.default_rng((self.seed, self.network.current_epoch)).permutation(self.interactions.shape[0])
        for start in range(0, len(order), self.batch_users):
            rows = self.interactions[order[start : start + self.batch_users]]
            yield torch.from_numpy(rows.toarray().astype(np.float32))


class _Progress(Callback):
    """A line every tenth of the epochs, on stderr: stdout holds results only."""

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 1
        if done == total or done % max(1, total // 10) == 0:
            console.print(f"  autoencoder: epoch {done} of {total}, loss {float(trainer.callback_metrics['loss']):.3f}")


def train_autoencoder(
    interactions: sp.csr_matrix, config: AutoencoderConfig, seed: int, checkpoint_dir: Path, name: str
) -> dict[str, Floats]:
    """Train the networks and return their weights, side by side as one wider network.

    An interrupted training goes on from its last checkpoint, one every ten epochs; so does a finished one.

    Args:
        interactions: weights of the observed pairs, [n_users, n_items].
        config: sizes and optimiser.
        seed: of the first network; the others count on from it.
        checkpoint_dir: where checkpoints are kept.
        name: of this training among those that share the directory.

    Returns:
        ``hidden`` [n_items, width], ``hidden_bias`` [width], ``output`` [width, n_items], ``output_bias`` [n_items].
    """
    networks = [
        _train(interactions, config, seed + member, checkpoint_dir / f"{name}-{member}")
        for member in range(config.members)
    ]
    count = np.float32(len(networks))
    return {
        "hidden": np.concatenate([network["encoder.weight"].T for network in networks], axis=1),
        "hidden_bias": np.concatenate([network["encoder.bias"] for network in networks]),
        "output": np.concatenate([network["decoder.weight"].T / count for network in networks]),
        "output_bias": np.mean([network["decoder.bias"] for network in networks], axis=0, dtype=np.float32),
    }


def _train(interactions: sp.csr_matrix, config: AutoencoderConfig, seed: int, directory: Path) -> dict[str, Floats]:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    batches = -(-interactions.shape[0] // config.batch_users)
    popularity = torch.from_numpy(np.asarray((interactions > 0).sum(axis=0), dtype=np.float32).ravel())
    network = MaskedAutoencoder(popularity, config, config.epochs * batches, seed)
    last = directory / "last.ckpt"
    trainer = pl.Trainer(
        max_epochs=config.epochs,
        accelerator="cpu",
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[ModelCheckpoint(directory, save_last=True, every_n_epochs=CHECKPOINT_EPOCHS), _Progress()],
        log_every_n_steps=batches,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        trainer.fit(
            network,
            torch.utils.data.DataLoader(_Histories(interactions, config.batch_users, seed, network), batch_size=None),
            ckpt_path=last if last.exists() else None,
            weights_only=True,
        )
    return {key: value.detach().numpy().copy() for key, value in network.state_dict().items()}
