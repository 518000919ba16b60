"""Answers to metamers in a plain table with one trial in each row, from other software or an earlier study.

The names in the table are checked when the configuration is read, so errors are reported before the first job.
``metamers.humans.answer_table`` counts the answers. Answers to this workflow's own experiment are in other files, which
``metamers.humans.own_participants`` reads.
"""

import csv
import io
import math
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from metamers.modalities import MODALITIES
from metamers.names import NATURAL, ConfigurationError, stage_path

REQUIRED = ("participant", "generation_model", "stage", "stimulus", "answer")
OPTIONAL = ("seed", "trial", "response_time", "excluded")
TABLE_FILES = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t"
MAX_BYTES = 2**27
MAX_PROBLEMS = 5  # in one message

# What R, pandas, BIDS and spreadsheets write where there is no value, in small letters.
MISSING = ("", "na", "n/a", "nan", "none", "null", "-")
NOT_EXCLUDED = (*MISSING, "0", "no", "false", "f")


@dataclass(frozen=True)
class Trial:
    """One answer in a table.

    Attributes
    ----------
    participant
        The participant's name.
    generation_model, stage
        Generation model and stage of the metamer. The stage of a natural stimulus is ``natural``; its model is empty if
        the answer counts for all models.
    stimulus
        The natural stimulus.
    seed
        Seed of the metamer; None for the first seed.
    trial
        Tells several presentations of one stimulus to a participant apart; empty if the table does not say.
    answer
        The category; empty if the participant gave no answer.
    response_time_s
        In seconds; None if it is not known.
    excluded
        Why the participant is excluded; empty if not.
    """

    participant: str
    generation_model: str
    stage: str
    stimulus: str
    seed: int | None
    trial: str
    answer: str
    response_time_s: float | None
    excluded: str


@dataclass(frozen=True)
class ValidNames:
    """The valid names in a table.

    Attributes
    ----------
    stages
        Generation model → its stages in the run, in processing order.
    stimuli, categories
        Natural stimuli of the run, and possible answers.
    seeds
        Metamer seeds of the run.
    """

    stages: Mapping[str, Sequence[str]]
    stimuli: Collection[str]
    categories: Collection[str]
    seeds: Collection[int]


def table_files(key: str, answers: str | Path) -> list[str]:
    """The tables of a group of participants: the file, or the files in the folder, sorted.

    Raises
    ------
    ConfigurationError
        When there is no table; the message begins with ``key``, a key of the configuration.
    """
    path = Path(answers)
    folder = path if path.is_dir() else path.parent
    files = sorted(
        str(file)
        for file in folder.glob("*")
        if file.suffix.lower() in TABLE_FILES and file.is_file() and (path.is_dir() or file == path)
    )
    if not files:
        raise ConfigurationError(
            f"{key}: there is no table in {answers}; wanted a file, or a folder of files, {', '.join(TABLE_FILES)}"
        )
    return files


def _folded(text: str) -> str:
    """A name in a form that ignores capitals, surrounding spaces and the Unicode form of letters."""
    return unicodedata.normalize("NFC", text).strip().casefold()


@cache
def _read(path: str, _modified_ns: int) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a table: header, and for each row the line on which it ends and its cells."""
    content = Path(path).read_bytes()
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"{path}: a table of {len(content)} bytes; wanted at most {MAX_BYTES}")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path}: not UTF-8 ({error}); save the table as UTF-8, in spreadsheets 'CSV UTF-8'"
        ) from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ConfigurationError(f"{path}: line {reader.line_num}: not CSV: {error}") from error
    if len(rows) < 2:
        raise ConfigurationError(f"{path}: no rows; wanted a header and a trial in each row")
    return [name.strip() for name in rows[0][1]], rows[1:]


def _places(path: str, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Column → its position in the header; ``columns`` has the names of columns that have another name in the table."""
    folded = [_folded(name) for name in header]
    places = {}
    for column in (*REQUIRED, *OPTIONAL):
        name = columns.get(column, column)
        if (number := folded.count(_folded(name))) > 1:
            raise ConfigurationError(f"{path}: the column {name!r} is there {number} times")
        if number:
            places[column] = folded.index(_folded(name))
        elif column in REQUIRED or column in columns:
            raise ConfigurationError(
                f"{path}: no column {name!r}; found {', '.join(header)}; wanted {', '.join(REQUIRED)}. "
                "own_participants.NAME.columns says how columns are called, such as {answer: Response}"
            )
    return places


def _value(cells: Mapping[str, str], column: str) -> str:
    """The value in a row of a column, which may be absent; empty if it is missing."""
    cell = cells.get(column, "")
    return "" if _folded(cell) in MISSING else cell


def _presentation(trial: Trial) -> tuple:
    """What no two answers may have in common."""
    return trial.participant, trial.generation_model, trial.stage, trial.stimulus, trial.seed or 0, trial.trial


class _Checked:
    """Checks the cells of one row and makes a trial of them."""

    def __init__(self, valid: ValidNames):
        self.valid = valid
        self.models = {_folded(name): name for name in valid.stages}
        self.stimuli = {_folded(name): name for name in valid.stimuli}
        self.categories = {_folded(name): name for name in valid.categories}
        self.stages = {
            model: {_folded(form): stage for stage in [*stages, NATURAL] for form in (stage_path(stage), stage)}
            for model, stages in {**valid.stages, "": []}.items()
        }

    @staticmethod
    def _named(column: str, value: str, valid: Mapping[str, str]) -> str:
        if (name := valid.get(_folded(value))) is None:
            names = list(dict.fromkeys(valid.values()))  # a stage has two forms
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            raise ValueError(f"{column}: found {value!r}; wanted {', '.join(map(repr, names[:8]))}{more}")
        return name

    def _stimulus(self, value: str) -> tuple[str, int | None]:
        """The stimulus, by its name or by the name of its exported file, and the seed in the latter."""
        name = value.replace("\\", "/").rsplit("/", 1)[-1]
        for suffix in (modality.suffix for modality in MODALITIES.values()):
            name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
        if _folded(name) in self.stimuli:
            return self.stimuli[_folded(name)], None
        before, _, number = name.rpartition("_")
        if number.isascii() and number.isdigit() and _folded(before) in self.stimuli:
            return self.stimuli[_folded(before)], int(number)
        return self._named("stimulus", value, self.stimuli), None

    def trial(self, cells: Mapping[str, str]) -> Trial:
        """Return the trial; raises ``ValueError`` for the first cell that is not valid."""
        if not cells["participant"]:
            raise ValueError("participant: found nothing; wanted a name")
        is_natural = _folded(cells["stage"]) == NATURAL
        model = cells["generation_model"] and self._named("generation_model", cells["generation_model"], self.models)
        if not model and not is_natural:
            raise ValueError(f"generation_model: found nothing; it may be empty only at the stage {NATURAL!r}")
        stage = self._named(f"stage of {model}" if model else "stage", cells["stage"], self.stages[model])
        stimulus, seed = self._stimulus(cells["stimulus"])
        if text := _value(cells, "seed"):
            if not (text.isascii() and text.isdigit()):
                raise ValueError(f"seed: found {text!r}; wanted a whole number, or nothing for the first metamer")
            seed = int(text)
        if not is_natural and seed is not None and seed not in self.valid.seeds:
            raise ValueError(
                f"seed: found {seed}; the run has the metamer seeds {', '.join(map(str, self.valid.seeds))}"
            )
        # A category may have the name of a missing value.
        text = _value(cells, "answer") or (cells["answer"] if _folded(cells["answer"]) in self.categories else "")
        answer = self._named("answer", text, self.categories) if text else ""
        seconds = None
        if text := _value(cells, "response_time"):
            try:
                seconds = float(text.replace(",", "."))
            except ValueError:
                seconds = math.nan
            if not 0 <= seconds < math.inf:
                raise ValueError(f"response_time: found {text!r}; wanted seconds, or nothing")
        excluded = cells.get("excluded", "")
        return Trial(
            participant=cells["participant"],
            generation_model=model,
            stage=stage,
            stimulus=stimulus,
            seed=None if is_natural else seed,
            trial=_value(cells, "trial"),
            answer=answer,
            response_time_s=seconds,
            excluded="" if _folded(excluded) in NOT_EXCLUDED else excluded,
        )


def read_answer_table(files: Iterable[str | Path], columns: Mapping[str, str], valid: ValidNames) -> list[Trial]:
    """Read and check the answers in some tables.

    The separator is a comma, semicolon or tab. Cells such as ``NA`` (``MISSING``) are empty. Capitals and surrounding
    spaces do not count in names; a stage may be written as in paths, and a stimulus as the name of its exported file.
    Rows without stimulus, such as those of instructions, are left out.

    Parameters
    ----------
    files
        The tables; several are read as one.
    columns
        Column of ``REQUIRED`` or ``OPTIONAL`` → its name in the tables, for columns with another name.
    valid
        The valid names.

    Raises
    ------
    ConfigurationError
        When a table cannot be read, has a cell that is not valid, or has two answers of a participant to one
        presentation of a stimulus. For the first problems, the message has the file,
        the line, the column and the valid values.
    """
    checked = _Checked(valid)
    trials: list[Trial] = []
    problems: list[str] = []
    answered: dict[tuple, str] = {}  # presentation → where it is in the tables
    for path in map(str, files):
        header, rows = _read(path, Path(path).stat().st_mtime_ns)
        places = _places(path, header, columns)
        for line, row in rows:
            if len(row) != len(header):
                problems.append(f"line {line} of {path}: {len(row)} cells, but the header has {len(header)}")
                continue
            cells = {column: row[place].strip() for column, place in places.items()}
            if not cells["stimulus"]:
                continue
            try:
                trial = checked.trial(cells)
            except ValueError as error:
                problems.append(f"line {line} of {path}: {error}")
                continue
            trials.append(trial)
            here = f"line {line} of {path}"
            if trial.answer and (before := answered.setdefault(_presentation(trial), here)) != here:
                problems.append(
                    f"{here}: participant {trial.participant!r} already answered this stimulus in {before}; remove one "
                    "of the rows, or number the presentations in a column `trial`"
                )
    if problems:
        more = [f"and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
        raise ConfigurationError("; ".join(problems[:MAX_PROBLEMS] + more))
    if not trials:
        raise ConfigurationError(f"{', '.join(map(str, files))}: no row has a stimulus")
    reasons: dict[str, set[str]] = {}
    for trial in trials:
        reasons.setdefault(trial.participant, set()).add(trial.excluded)
    if contradicted := [name for name, stated in reasons.items() if len(stated - {""}) > 1]:
        raise ConfigurationError(f"excluded: participant {contradicted[0]!r} has several reasons; wanted one")
    return trials


def judged_stages(trials: Iterable[Trial], stages: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Generation model → stages whose metamers are in the trials, both in the run's order."""
    conditions = {(trial.generation_model, trial.stage) for trial in trials}
    judged = {model: [stage for stage in own if (model, stage) in conditions] for model, own in stages.items()}
    return {model: own for model, own in judged.items() if own}
