"""One of several processes that search together; which, the environment says.

    python worker_search.py FOLDER NAME...

Trials begin when the workers of all those names are there.
"""

import os
import pathlib
import sys
import time

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    from tests.tuning.small import search

    folder, *names = sys.argv[1:]
    me = os.environ["KERASTUNER_TUNER_ID"]
    pathlib.Path(f"{folder}.{me}").touch()

    def wait_for_all():
        until = time.monotonic() + 120
        while not all(pathlib.Path(f"{folder}.{name}").exists() for name in names):
            if time.monotonic() > until:
                raise TimeoutError(f"Not all of {names} came.")
            time.sleep(0.01)
        return []

    result = search(folder, max_trials=8, tensorboard=True, callbacks=wait_for_all)
    done = sum(trial.status == "COMPLETED" for trial in result.trials)
    print(f"{done} done, best {result.best_score:.6f}")
