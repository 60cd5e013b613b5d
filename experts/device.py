"""Which device a replica's experts are computed on."""

from __future__ import annotations

from moray.errors import BadSetting
from moray.types import AskedDevice, Device, NumericClass


def choose_device(asked: AskedDevice, numeric_class: NumericClass, has_gpu: bool) -> Device:
    """``auto`` is the GPU where there is one and experts are integers. Raises BadSetting for what cannot be."""
    is_integer = numeric_class != "float32"
    if asked == "auto":
        return "cuda" if has_gpu and is_integer else "cpu"
    if asked == "cuda" and not is_integer:
        raise BadSetting(
            "MORAY_EXPERT_DEVICE is cuda and the experts are float32, whose bits on a GPU depend on the batch; "
            "quantise them with `moray model quantize` or unset it"
        )
    if asked == "cuda" and not has_gpu:
        raise BadSetting("MORAY_EXPERT_DEVICE is cuda and torch finds no GPU here; set it to auto or cpu")
    return asked
