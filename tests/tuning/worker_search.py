"""One of several processes that search together; which, the environment says."""

import pathlib
import sys

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
    from tests.tuning.small import search

    result = search(sys.argv[1], tuner=sys.argv[2], max_trials=8, tensorboard=True)
    done = sum(trial.status == "COMPLETED" for trial in result.trials)
    print(f"{done} done, best {result.best_score:.6f}")
