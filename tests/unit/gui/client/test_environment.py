"""A child of the window gets the user's environment, not the window's."""

from __future__ import annotations

from gui.client.environment import child_environment


def test_variables_of_the_window_are_left_out() -> None:
    own = {
        "HOME": "/home/me",
        "HF_HOME": "/models",
        "CUDA_VISIBLE_DEVICES": "0",
        "QT_PLUGIN_PATH": "/bundle/plugins",
        "QT_QPA_PLATFORM": "offscreen",
        "PYSIDE6_OPTION": "1",
        "_PYI_ARCHIVE_FILE": "/bundle/x",
        "PYTHONHOME": "/bundle",
        "PYTHONPATH": "/bundle/lib",
        "VIRTUAL_ENV": "/venv",
        "UV_CACHE_DIR": "/cache",
        "LD_LIBRARY_PATH": "/bundle/lib",
        "XDG_ACTIVATION_TOKEN": "once",
    }
    assert child_environment(own, PYTHONPATH="/code") == {
        "HOME": "/home/me",
        "HF_HOME": "/models",
        "CUDA_VISIBLE_DEVICES": "0",
        "PYTHONPATH": "/code",
    }


def test_values_that_a_packager_kept_are_given_back() -> None:
    own = {"LD_LIBRARY_PATH": "/bundle", "LD_LIBRARY_PATH_ORIG": "/opt/cuda/lib", "MY_ORIG": "stays"}
    assert child_environment(own) == {"LD_LIBRARY_PATH": "/opt/cuda/lib", "MY_ORIG": "stays"}
