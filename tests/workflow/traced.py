"""Runs before the jobs of a run: records which functions of the library run, and who calls them.

Each process of a job writes the file ``traced/<process>.json`` in the working directory: ``step``, ``models``
(registry entries that the job computes with, or None) and ``calls``, [module, function, module of the caller], from the
opening of its log on, without calls during imports.
"""

import atexit
import json
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType

import __main__

FOLDER = Path.cwd() / "traced"
known: set[tuple[CodeType, CodeType]] = set()
outside: set[CodeType] = set()
calls: set[tuple[str, str, str]] = set()


def module_of(frame: FrameType) -> str:
    name = str(frame.f_globals.get("__name__"))
    return name if name.split(".", maxsplit=1)[0] in ("metamers", "__main__") else ""


def record(frame: FrameType, event: str, _argument: object) -> None:
    if event != "call" or (code := frame.f_code) in outside:
        return
    module = module_of(frame)
    if not module.startswith("metamers"):
        outside.add(code)
        return
    back = frame.f_back
    while back is not None and not module_of(back):
        back = back.f_back
    if back is None or (pair := (code, back.f_code)) in known:
        return
    known.add(pair)
    during_import = back.f_code.co_name == "<module>" and module_of(back) != "__main__"
    if code.co_name != "<module>" and not during_import:
        calls.add((module, code.co_qualname, module_of(back)))


def write() -> None:
    sys.settrace(None)
    params = dict(__main__.snakemake.params.items())
    models = [params["model"]] if isinstance(params.get("model"), dict) else None
    for key in ("recognition_models", "entries"):
        if isinstance(params.get(key), dict):
            models = [one["model"] for one in params[key].values()]
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(
        {"step": params["step"], "models": models, "code": params["code"], "calls": sorted(calls)}, default=dict
    )
    (FOLDER / f"{os.getpid()}.json").write_text(text)


def begin(event: str, arguments: tuple) -> None:
    """Begin with the first file that a job opens in the folder of logs."""
    if event == "open" and hasattr(__main__, "snakemake") and "/logs/" in str(arguments[0]) and not sys.gettrace():
        atexit.register(write)
        threading.settrace(record)
        sys.settrace(record)


sys.addaudithook(begin)
