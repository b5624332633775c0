"""A run and its folder: from a configuration to a structure on disk, stoppable and resumable at any step.

    config.toml   cloud.ply  cloud_mirror.ply  poses.csv  metrics.json  report.html
    pictures/     checkpoints/last.pt          events.out.tfevents.* (TensorBoard)
"""

import csv
import dataclasses
import io
import json
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton

import holly_triton
from holly_triton.cloud import write_cloud
from holly_triton.config import Config, read_config, write_config
from holly_triton.data import Dataset, Localisations, open_dataset
from holly_triton.errors import HollyError
from holly_triton.files import replacing
from holly_triton.geometry import axis_angle_from_rotation, mirror
from holly_triton.reconstruct.checkpoint import load_checkpoint, save_checkpoint
from holly_triton.reconstruct.schedule import Plan
from holly_triton.reconstruct.state import TrainingState
from holly_triton.reconstruct.train import Progress, Trainer
