"""What TensorBoard is told of a search."""

import pathlib

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from tests.tuning.small import regression, search


def plugin_data(folder):
    """list of HParamsPluginData in the event files directly in a folder."""
    found = []
    accumulator = EventAccumulator(str(folder)).Reload()
    for tag in accumulator.PluginTagToContent("hparams").values():
        found.append(plugin_data_pb2.HParamsPluginData.FromString(tag))
    return found


def test_the_hparams_tab_knows_the_space_each_trial_and_how_it_ended(tmp_path):
    def space(hp):
        model = regression(hp)
        if hp.get("scale") > 2 and hp.get("bias") == "yes":
            raise RuntimeError("too much")
        return model

    result = search(tmp_path, space, max_trials=8, tensorboard=True, epochs=1)
    board = pathlib.Path(tmp_path) / "tensorboard"
    (experiment,) = (
        d.experiment for d in plugin_data(board) if d.HasField("experiment")
    )
    assert {info.name for info in experiment.hparam_infos} == {"rate", "bias", "scale"}
    assert [info.name.tag for info in experiment.metric_infos] == ["val_loss"]
    assert {t.status for t in result.trials} == {"COMPLETED", "FAILED"}
    for trial in result.trials:
        folder = board / trial.trial_id / "result"
        data = plugin_data(folder)
        (begin,) = (
            d.session_start_info for d in data if d.HasField("session_start_info")
        )
        (end,) = (d.session_end_info for d in data if d.HasField("session_end_info"))
        assert begin.hparams["scale"].number_value == trial.values["scale"]
        assert begin.hparams["bias"].string_value == trial.values["bias"]
        assert begin.hparams["rate"].number_value == pytest.approx(trial.values["rate"])
        if trial.status == "FAILED":
            assert end.status == api_pb2.STATUS_FAILURE
            continue
        assert end.status == api_pb2.STATUS_SUCCESS
        scalars = EventAccumulator(str(folder)).Reload()
        (loss,) = scalars.Tensors("val_loss")
        wanted = pytest.approx(trial.metrics["val_loss"])
        assert float(tf.make_ndarray(loss.tensor_proto)) == wanted
        curves = board / trial.trial_id / "execution_0"
        assert list((curves / "train").glob("events.*"))
        assert list((curves / "validation").glob("events.*"))
