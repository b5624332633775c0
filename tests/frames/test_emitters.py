import numpy as np
import torch

from holly_triton.frames.emitters import Emitters
from holly_triton.frames.localisations import localisations


def test_emitters_keep_their_frames_when_some_are_taken():
    emitters = Emitters.of(torch.arange(12.0).view(4, 3), torch.ones(4), torch.tensor([1, 0, 3]))
    assert emitters.frame().tolist() == [0, 2, 2, 2]
    kept = emitters.take(torch.tensor([False, True, False, True]))
    assert kept.offsets.tolist() == [0, 0, 0, 2]
    assert kept.xyz.tolist() == [[3, 4, 5], [9, 10, 11]]
    assert kept.frames == 3


def test_an_empty_batch_has_no_emitters():
    emitters = Emitters.of(torch.zeros(0, 3), torch.zeros(0), torch.zeros(2, dtype=torch.long))
    assert emitters.frame().tolist() == []
    assert emitters.take(torch.zeros(0, dtype=torch.bool)).offsets.tolist() == [0, 0, 0]


def test_an_unfilled_table_holds_no_values():
    table = localisations(2)
    assert np.isnan(table["x"]).all() and (table["frame"] == 0).all()
