import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from keras_nlp_lite.monitoring import TensorBoard
from tests.monitoring.runs import Run, compiled, fit
from tests.monitoring.runs import TextModel as Model

GIVEN = {
    "rate": 0.25,
    "layers": np.int64(3),
    "mode": "tf_idf",
    "bias": True,
    "clip": None,
    "widths": (2, 3),
}


def session(log_dir):
    """What the HParams tab reads: (settings, whether the session has ended)."""
    events = EventAccumulator(str(log_dir)).Reload()
    content = events.PluginTagToContent(metadata.PLUGIN_NAME)
    start = content[metadata.SESSION_START_INFO_TAG]
    start = metadata.parse_session_start_info_plugin_data(start)
    settings = {}
    for name, value in start.hparams.items():
        settings[name] = getattr(value, value.WhichOneof("kind"))
    return settings, metadata.SESSION_END_INFO_TAG in content


def test_settings_arrive_as_what_they_are(tmp_path):
    fit(tmp_path, compiled(Model()), hparams=GIVEN)
    settings, ended = session(tmp_path)
    assert settings == {
        "rate": 0.25,
        "layers": 3,
        "mode": "tf_idf",
        "bias": True,
        "clip": "None",
        "widths": "(2, 3)",
    }
    assert ended


def test_the_runs_metrics_stand_beside_its_settings(tmp_path):
    run = fit(tmp_path, compiled(Model()), epochs=2, hparams={"rate": 0.0})
    events = EventAccumulator(str(tmp_path), {"tensors": 0}).Reload()
    tags = set(events.Tags()["tensors"])
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= tags
    assert [event.step for event in events.Tensors("val_loss")] == [0, 1]
    assert run.tags("train")  # where they were before, too


def test_without_settings_the_folder_itself_gets_no_file(tmp_path):
    fit(tmp_path, compiled(Model()))
    assert {path.name for path in tmp_path.iterdir()} == {"train", "validation"}
    assert Run(tmp_path).tags("train")


@pytest.mark.parametrize("value", [{"a": {}}, {"a": object()}, {1: 2}, [("a", 1)]])
def test_what_the_tab_cannot_show_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="`hparams` must be a dict.*Received"):
        TensorBoard(tmp_path, hparams=value)
