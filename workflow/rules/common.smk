"""What the rules of several steps share: paths, files and parameters of models, and checks before the first job."""

import inspect
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.io import get_flag_value
from snakemake.settings.types import DeploymentMethod

from metamers.config.archives import RETRIEVED as RESOURCES, retrieved_item
from metamers.config.read import resolve_path
from metamers.plan.left_out import (
    MADE_WITHOUT_FAILED,
    command_line,
    dependent_on,
    with_failed,
    with_options,
    write_left_out,
)
from metamers.plan.needs import Needs, Work, Workload
from metamers.plan.retrieved import collections
from metamers.plan.steps import STEPS, linked_pages
from metamers.plan.targets import check_path, check_targets, parse_call, requested_targets
from metamers.modalities import MODALITIES, sampling_of
from metamers.names import stage_path, unknown_name
from metamers.report import navigation
from metamers.repository import PACKAGE, make_importable
from metamers.run import manifest
from metamers.run.cards import gpus_of_job
from metamers.run.code_version import code_version, data_version
from metamers.run.durations import UNMEASURED, measured_jobs
from metamers.run.logs import cpu_time_table, failed_jobs, run_cpu_times, steps_since

SCRIPTS = ROOT / "scripts"
TEMPLATES = PACKAGE / "report" / "templates"
SITE = PACKAGE / "report" / "site"
SHARED = ("site", "parts", "examples")  # templates that others extend or import
ENVIRONMENT = ROOT / "envs" / "environment.yaml"
# Snakemake replaces <run> in inputs, outputs, logs and benchmarks; parameters and functions take this path.
RESULTS = f"results/{plan.settings.run}"
CAPTIONS = ROOT / "workflow" / "report"
# Files that rules of steps add to targets of the Snakefile, and figures of the report, each after its rule.
ADDED_TO_ALL = []
ADDED_TO_HUMANS = []
ADDED_TO_COMPARISON = []
FIGURES = []
# The report's own pages in this run, and those that rules of other steps write: name → title.
PAGES = [name for name, page in navigation.PAGES.items() if page.is_made(plan)]
LINKED = linked_pages(plan)
ASSETS = "results/<run>/report/assets"  # style sheets and scripts that the pages load
LEFT_OUT = (
    {
        "failed": [one.row for one in plan.left_out],
        "dependent": dependent_on(plan.left_out, plan.whole, plan),
    }
    if plan.left_out
    else {}
)
COLLECTIONS = collections(plan)
workload = Workload(plan)
BEGAN = time.time()
# In Snakemake's log, if a call was ended by Ctrl-C or SIGTERM.
INTERRUPTIONS = ("Terminating processes on user request", "Will exit after finishing currently running jobs")


def on_this_machine(path):
    """Where a job reads and writes a file that rules make: with a default storage provider, its local copy."""
    return str(workflow.modifier.path_modifier.apply_default_storage(path))


def committed(path):
    """A file that is read where it is committed, if the run does not make it itself."""
    return path if path.startswith("results/<run>/") else local(path)


# The folder of the run on this machine; its manifest is beside it. With a default storage provider, the files of runs alone
# are stored there: what is committed, retrieved or the user's own is `local()`.
RUN = on_this_machine(RESULTS)
BENCHMARKS = f"{RUN}/benchmarks"

# A conda environment has the packages that the library needs, but not the library.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    make_importable(Path(".snakemake/library"))

# Snakemake looks for the run's files before its first job, and would stop with a traceback at a place without access.
try:
    manifest.check_places(RUN)
except OSError as error:
    raise WorkflowError(str(error)) from None


def one_of(names):
    """A pattern for exactly one of these names."""
    return "|".join(map(re.escape, names)) or "(?!)"


def required(target):
    """Input function: adds no file; fails before the first job if the plan cannot make a target (``Plan.check_target``)."""

    def files(wildcards):
        plan.check_target(target.format(**wildcards))
        return []

    return files


def parameters_of(entries):
    """Entries of the plan as jobs take them: name → plain data."""
    return {name: entry.parameters for name, entry in entries.items()}


wildcard_constraints:
    dataset=one_of(plan.datasets),
    generation_model=one_of(plan.models),
    analysed_model=one_of(plan.dataset_of),
    stage="[^/]+",
    batch=r"\d\d\d\d+",


def inspected(function):
    """Store a function's signature as its attribute, because Snakemake otherwise computes it three times for each job."""
    function.__signature__ = inspect.signature(function)
    return function


def by(wildcard, *functions):
    """Input function or parameter: functions of a wildcard's value, the last one first: ``f(g(value))``.

    Unlike Snakemake's ``lookup``, it does not search everything that the functions know for each job.
    """

    @inspected
    def value(wildcards):
        found = wildcards[wildcard]
        for function in reversed(functions):
            found = function(found)
        return found

    return value


def site_templates(*names):
    """The templates of pages of the report: the named ones, or all, with those that they include."""
    return [path for path in sorted(SITE.glob("*.j2")) if not names or path.name.split(".")[0] in (*names, *SHARED)]


def page_params():
    """Parameters of each rule that writes a page in the navigation of the report."""
    return {
        "model_order": plan.model_order,  # their colours and marks
        "pages": PAGES,
        "linked": LINKED,
        "quality": plan.settings.synthesis.quality if plan.generation_models else None,
        "penalties": plan.penalties,
    }


def templates(*names):
    """The templates of a small page, and its style."""
    return [*(TEMPLATES / f"{template}.html.j2" for template in ("page", *names)), SITE / "base.css"]


def weights_file(model):
    """The file of a model's weights, or None where they are random."""
    if model in plan.training:
        return f"results/<run>/training/{model}.safetensors"
    weights = plan.models[model].weights
    if item := retrieved_item(weights, plan.archives):
        return f"{RESOURCES}/weights/{model}/{item['name']}"
    return weights.get("path")


def weights_input(model, file):
    """The input of a step that reads a file of weights: the retrieved folder that has the file, or the file itself."""
    folder = f"{RESOURCES}/weights/{model}"
    if file.startswith("results/<run>/"):
        return file
    return local(folder if file.startswith(f"{folder}/") else file)


@cache
def architecture(model):
    """The part of a model's registry entry on which its results depend."""
    return plan.models[model].parameters


def entries_of(models):
    """The registry entries of models; None, for any, if a model has the user's own files, which may import everything."""
    own = any(plan.models[model].python_files for model in models)
    return None if own else list(map(architecture, models))


def entry_of(model):
    """The same for one model."""
    return entries_of([model])


def with_readout(model):
    """The registry entry of a model, as ``entries_of`` gives it, with its readout if it recognizes by one in this run."""
    by_readout = model in plan.readouts and model in plan.recognition_models
    return architecture(model) | ({"readout": plan.readouts[model].parameters} if by_readout else {})


def recognition_entries(models):
    """The same as ``entries_of`` for models that recognize."""
    return None if entries_of(models) is None else list(map(with_readout, models))


def modality_of_dataset(dataset):
    """What a job without a model needs of an entry: the modality of a dataset."""
    return [{"modality": plan.datasets[dataset].modality}]


def step(script, entries=None, scripts=SCRIPTS):
    """Parameters of each rule that runs a script.

    ``step`` is the name of the script, which is the rule's name without the prefix that another workflow may add. ``code``
    is the version of the code that the script runs, for models of these registry entries, or of every kind: a list, or a
    function of the wildcards that returns one.
    """

    @inspected
    def code(wildcards):
        return code_version(scripts / f"{script}.py", entries(wildcards) if callable(entries) else entries)

    return {"step": "_".join(Path(script).parts), "code": code}


def gpus():
    """GPUs for a job that computes with a network; a profile says how many there are at once."""
    return gpus_of_job(plan.settings.device)


def all_cores(_wildcards):
    """Threads of a job that takes all cores.

    Snakemake calls the function for a job that it would run. The number itself is unknown, and an error, in calls that
    run none, such as `--report` and `--unlock`.
    """
    return workflow.cores


def check_results_folder():
    """Check before the first job that the run's folder can be written."""
    try:
        manifest.check_writable(RUN)
    except OSError as error:
        raise WorkflowError(str(error)) from None


def check_requested(stages=None):
    """Check the targets of this call of Snakemake by name, after the last rule of a Snakefile.

    ``stages`` are those of paths of the studies. A workflow that includes this Snakefile, or loads it as a module, may have
    further rules, so names of rules are checked only in the Snakefile that Snakemake was started with.
    """
    known = [rule.name for rule in workflow.rules] if len(workflow.included_stack) == 1 else []
    try:
        check_targets(plan, requested_targets(sys.argv, get_argument_parser()), known, stages or {})
    except ConfigurationError as error:
        raise WorkflowError(str(error)) from None


def stored(path):
    """The object of a path in the default storage, or None without one."""
    return get_flag_value(workflow.modifier.path_modifier.apply_default_storage(path), "storage_object")


def fetch_run():
    """Fetch from the default storage, if there is one, what Snakemake does not: the manifest, and all files to be verified.

    A manifest on this machine is kept if it is newer, as after a call that was killed.
    """
    known, folder, here = stored(f"{RESULTS}{manifest.SUFFIX}"), stored(RESULTS), manifest.manifest_path(RUN)
    if known is None:
        return
    if known.exists() and (not here.is_file() or here.stat().st_mtime < known.mtime()):
        known.retrieve_object()
    of_folder = {"verify", "crate"} & {job.params.get("step") for job in workflow.dag.needrun_jobs()}
    if of_folder and folder.exists():
        folder.retrieve_object()


def store_records():
    """Store what Snakemake does not: the manifest of the run, and the table of CPU time, which no job writes."""
    for path in (f"{RESULTS}{manifest.SUFFIX}", f"{RESULTS}/logs/cpu_time.tsv"):
        if os.path.isfile(on_this_machine(path)) and (record := stored(path)) is not None:
            record.store_object()


def close_manifest():
    """Record the CPU time of this call by kind, and its logs, which end after their jobs; not after a verification alone."""
    if not steps_since(f"{RUN}/logs", BEGAN) - {"verify"}:
        return
    children = os.times()
    used = run_cpu_times(f"{RUN}/logs", BEGAN, time.process_time(), children.children_user + children.children_system)
    if used:
        Path(f"{RUN}/logs/cpu_time.tsv").write_text(cpu_time_table(used), encoding="utf-8")
    manifest.close(RUN)


def report_without_failed(logs):
    """After a call with failed jobs, make the report and the like again without what failed.

    Another call does it, with the key ``left_out``; if jobs fail in that one, it starts the next. There is none if the
    first call was interrupted, ended at the first failed job, or runs jobs by force, and for targets that are complete or
    nothing, such as a frozen prediction.
    """
    call = parse_call(sys.argv, get_argument_parser())
    interrupted = any(text in Path(log).read_text(encoding="utf-8") for log in logs for text in INTERRUPTIONS)
    if not call or interrupted or not workflow.execution_settings.keep_going:
        return
    if call.force or call.forceall or call.forcerun or not set(call.targets or ()) <= MADE_WITHOUT_FAILED:
        return
    command = plan.left_out[0].command if plan.left_out else command_line(sys.argv)
    left_out = with_failed(plan.left_out, failed_jobs(f"{RUN}/logs", BENCHMARKS, BEGAN), command)
    if left_out == plan.left_out:
        return
    path = Path(f"{RUN}/logs/left_out.json").absolute()
    write_left_out(path, left_out)
    lines = "".join(f"\n  {one.title}: {one.reason.splitlines()[0]} ({one.log})" for one in left_out)
    logger.error(f"\nFailed, and left out of what follows:{lines}", extra={"for_people": True})
    again = with_options(sys.argv[1:], workflow.config_settings.config, left_out=str(path))
    second = subprocess.Popen([sys.executable, "-m", "snakemake", *again], cwd=workflow.workdir_init)
    signal.signal(signal.SIGTERM, lambda *_: second.terminate())
    while second.poll() is None:
        with suppress(KeyboardInterrupt):  # the terminal has sent it to the second call too
            second.wait()


def cancel_timers():
    """End the timers that would let Snakemake look for jobs again, because Python waits for them before it ends.

    Snakemake sets one for the timespan of ``max-jobs-per-timespan`` each time that it looks for jobs.
    """
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def show_findings():
    """End a run that made the report with its path and its findings."""
    if "report_pages" in steps_since(f"{RUN}/logs", BEGAN):
        index, findings = f"{RESULTS}/report/index.html", f"{RESULTS}/report/findings.txt"
        if stored(findings) is not None:
            stored(findings).retrieve_object()  # Snakemake has deleted its local copy
            index = stored(index).query
        sentences = Path(on_this_machine(findings)).read_text(encoding="utf-8")
        logger.info(f"\n{sentences}\nReport: {index}", extra={"for_people": True})


def needs(rule, work=Work(), gpu=0):
    """Resources of each rule, for each attempt: ``runtime`` (minutes), ``mem_mb`` and ``gpu``, and what a dry run sums up.

    ``work`` is that of a job, or a function of the wildcards that returns it; ``gpu`` is the number of GPUs of a job. What
    a dry run sums up are ``expected_s``, the seconds that the job is expected to take, and ``output_mb``.
    """
    measured = measured_jobs().get(rule, UNMEASURED)

    def of(wildcards):
        return Needs(measured, work(wildcards) if callable(work) else work, gpu > 0)

    return {
        "runtime": inspected(lambda wildcards, attempt: of(wildcards).runtime(attempt)),
        "mem_mb": inspected(lambda wildcards, attempt: of(wildcards).mem_mb(attempt)),
        "expected_s": inspected(lambda wildcards: of(wildcards).expected_s),
        "output_mb": inspected(lambda wildcards: of(wildcards).output_mb),
        "gpu": gpu,
    }


def scaled_by_attempt(first):
    """A resource, as megabytes or minutes: each further attempt gets twice as much."""
    return lambda _wildcards, attempt: first * 2 ** (attempt - 1)


def dataset_params(model):
    """The part of the registry entry of a model's dataset on which its answers depend."""
    return {"categories": plan.categories_of(model)}


def categories_of(model):
    """The table with a model's classes of each category of its dataset."""
    return local(dataset_params(model)["categories"])


def model_params(wildcard):
    """Parameters of a step that computes with the model of a wildcard."""
    return {"model": by(wildcard, architecture), "weights_file": by(wildcard, weights_file)}


def answer_params(wildcard, *model_of):
    """Parameters of a step that needs categories: those of the model in a wildcard, or of a model found from it."""
    return {
        "dataset": by(wildcard, plan.dataset_of.__getitem__, *model_of),
        "dataset_entry": by(wildcard, dataset_params, *model_of),
    }


def modality_of(model):
    """The modality of a model."""
    return plan.models[model].modality


def sampling_of_metamers(model):
    """How the exported metamers of a generation model are sampled."""
    return sampling_of(plan.models[model].input)


def builder_of(model):
    """The user's own files that build a model's network and preprocessing, as the input `builder`, if any."""
    files = plan.models[model].python_files
    return {"builder": local(files)} if files else {}


def builders_of(models):
    """The user's own files that build the networks of several models, each once."""
    return local(list(dict.fromkeys(file for model in models for file in plan.models[model].python_files)))


def files_by_kind(model):
    """The files that a model is built from, by their kind: ``builder``, ``weights``."""
    read = [weights_file(model), plan.models[model].extra_weights.get("path")]
    return builder_of(model) | {"weights": sorted({weights_input(model, file) for file in read if file})}


def model_files(wildcard):
    """Input function: the files that the model in a wildcard is built from."""
    return by(wildcard, files_by_kind)


def files_of_models(models):
    """The files that several models are built from, each once."""
    found = [files_by_kind(model) for model in models]
    return list(dict.fromkeys(file for one in found for file in [*one.get("builder", []), *one["weights"]]))


def files_of_model(model):
    """The files that a model is built from, as a list."""
    return files_of_models([model])


def readout_file(model):
    """The file of the readout by which a model recognizes, as a list; empty if it recognizes by its class scores."""
    return [f"results/<run>/readouts/{model}.nc"] if "readout" in with_readout(model) else []


def files_of_recognition_models(models):
    """The files from which models are made as they recognize, each once."""
    return [*files_of_models(models), *(path for model in models for path in readout_file(model))]
