"""What sets two searches apart, argument by argument, in words that fit a line."""

_MOST = 60  # letters of a value
_BEFORE = 15  # letters that are the same, before the first that is not


def differences(there, here):
    """list of (name, what it was there, what it is here), all str.

    Args:
        there, here: dict of settings, as `folder.settings_of` gives them.

    Example:

    >>> there = {"epochs": 3, "fixed": {"ngrams": "2"}, "space": []}
    >>> differences(there, {**there, "fixed": {"ngrams": "3"}})
    [('ngrams', '2', '3')]
    """
    found = []
    for name in here:
        was, now = there.get(name), here[name]
        if name in ("space", "fixed"):
            continue
        if was != now:
            found.append((name, *map(_SAID.get(name, str), (was, now))))
    was, now = _arguments(there), _arguments(here)
    for name in dict.fromkeys([*was, *now]):
        found += _of_argument(name, was.get(name), now.get(name))
    if not found and there.get("space") != here["space"]:
        found.append(("order", ", ".join(was), ", ".join(now)))
    return [(name, *_apart(was, now)) for name, was, now in found]


def _arguments(settings):
    """dict from an argument to its value, or to a list of its hyperparameters."""
    found = dict(settings.get("fixed") or {})
    for hp in settings.get("space") or []:
        # One name may stand under several conditions.
        found.setdefault(hp["config"]["name"], []).append(hp)
    return found


def _of_argument(name, was, now):
    if was == now:
        return []
    short = [_said(one) for one in (was, now)]
    if short[0] != short[1]:
        return [(name, *short)]
    # The same values, and yet another hyperparameter.
    if not (isinstance(was, list) and isinstance(now, list)) or len(was) != len(now):
        return [(name, str(was), str(now))]
    pairs = zip(map(_flat, was), map(_flat, now))
    one, other = next((a, b) for a, b in pairs if a != b)
    key = next(k for k in {**one, **other} if one.get(k) != other.get(k))
    return [(f"{name} ({key})", str(one.get(key)), str(other.get(key)))]


def _flat(hp):
    return {**hp["config"], "class": hp["class_name"]}


def _said(argument):
    """What an argument may be, as `print(space)` shows it."""
    if argument is None:
        return "as it comes"
    if not isinstance(argument, list):
        return argument
    return " or ".join(dict.fromkeys(_range(hp["config"]) for hp in argument))


def _range(config):
    if "values" in config:
        return " | ".join(map(str, config["values"]))
    if "min_value" not in config:
        return str(config.get("value", "True | False"))
    step = config.get("step")
    by = "" if step is None or step == 1 else f" by {step}"
    log = " log" if config.get("sampling") == "log" else ""
    return f"{config['min_value']} to {config['max_value']}{by}{log}"


def _objectives(objectives):
    return ", ".join(f"{o['name']} ({o['direction']})" for o in objectives or [])


_SAID = {"objectives": _objectives, "val": "data {}".format}


def _apart(was, now):
    """Two texts, cut to a line where they differ."""
    if max(len(was), len(now)) <= _MOST:
        return was, now
    start = max(0, _alike(was, now) - _BEFORE)
    return _cut(was, start), _cut(now, start)


def _alike(was, now):
    """int, letters that begin both."""
    pairs = enumerate(zip(was, now))
    return next((i for i, (a, b) in pairs if a != b), min(len(was), len(now)))


def _cut(said, start):
    end = start + _MOST
    before, after = ("..." if cut else "" for cut in (start > 0, len(said) > end))
    return f"{before}{said[start:end]}{after}"
