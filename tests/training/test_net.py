"""The skorch net: its learning rate and its callbacks."""

import numpy as np
import torch
from skorch.callbacks import Callback, GradientNormClipping

from ..helpers import small


def test_learning_rate_falls_along_half_a_cosine(table):
    class Rates(Callback):
        def on_train_begin(self, net, **kwargs):
            self.seen = []

        def on_batch_end(self, net, **kwargs):
            self.seen.append(net.optimizer_.param_groups[0]["lr"])

    rates = Rates()
    dae = small(max_iter=3, batch_size=30, learning_rate_init=0.1, callbacks=[rates])
    dae.fit(table)
    expected = 0.05 * (1 + np.cos(np.pi * np.arange(12) / 12))
    np.testing.assert_allclose(rates.seen, expected)


def test_callbacks_may_keep_predictions(table):
    class KeepPredictions(Callback):
        def on_train_begin(self, net, **kwargs):
            self.kept, self.copies = [], []

        def on_batch_end(self, net, y_pred, **kwargs):
            self.kept.append(y_pred)
            self.copies.append(y_pred.clone())

    keep = KeepPredictions()
    small(callbacks=[keep]).fit(table)
    assert all(map(torch.equal, keep.kept, keep.copies))


def test_callbacks_may_change_gradients(table):
    def weights(**params):
        net = small(max_iter=3, **params).fit(table).net_
        return net.module_.encoder[0].weight

    # The scale of gradients changes AdamW's steps only near its small epsilon.
    clipped = weights(callbacks=[GradientNormClipping(1e-8)])
    assert not torch.allclose(clipped, weights(), atol=1e-4)
