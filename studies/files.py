"""Files of the studies of our own speed and statistics."""

from metamers.run.declared import MATCH, NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "steps_to_match": "steps of the reference to the match at which the quality ends; NaN if it was not reached",
    "steps_most": "largest number of steps that was tried",
    "quality": ("quality of the synthesis", NO_UNIT),
    "error_of_published": "normalized error at the end of the published procedure with this number of steps",
    "error_of_standard": "normalized error at the end of a synthesis of quality standard",
    "published_match": (
        "normalized error of the published procedure with all its steps, mean over stimuli; extrapolated if the "
        "longest run had fewer"
    ),
    "standard_match": "normalized error of a synthesis of quality standard, mean over stimuli",
    "pass_steps": "steps at each step size of the published procedure",
    "metamer_difference": (
        "norm of the difference of the metamers after the first step between graphics card and CPU, relative to the "
        "norm of the step"
    ),
    "metamer_difference_tf32": "the same with TF32 on the graphics card",
    "error_difference": (
        "relative difference of the mean normalized error after all steps between graphics card and CPU"
    ),
    "agrees": "1 if the differences without TF32 are within their tolerances, else 0",
    "free_card_memory": ("free memory of the graphics card before the synthesis", "Mbyte"),
    "batch": "number of stimuli at once, from free memory",
    "batch_fits": "1 if this number fitted into memory as predicted, else 0",
    "peak_card_memory": ("peak memory of a synthesis on the graphics card", "Mbyte"),
    "stimulus_steps_per_second": ("stimuli times steps per second, with a batch that fills the graphics card", "s-1"),
    "halved_batch": "number of stimuli at once with half of the memory that the batch took; 0 if not one fitted",
    "recognition_batch": "number of stimuli at once in a pass without gradients, from free memory",
    "recognized_per_second": ("stimuli that a model recognizes per second, in such batches", "s-1"),
    "recognized_per_second_in_small_batches": ("the same in the batches of a CPU", "s-1"),
    "cards": "number of graphics cards of the machine",
    "stimulus_steps_per_second_of_cards": (
        "stimuli times steps per second of one job on each graphics card, all together",
        "s-1",
    ),
    "stimulus_steps_per_second_by_precision": ("stimuli times steps per second", "s-1"),
    "outcome": ("ok, not available or failed, with the reason", NO_UNIT),
    "stimulus_steps_per_second_by_jobs": ("stimuli times steps per second of all jobs together", "s-1"),
    "precision": ("precision of the network, or way in which it is computed", NO_UNIT),
    "jobs": "number of jobs at once",
    "kept_procedure": ("synthesis procedure whose metamers are kept", NO_UNIT),
    "version": ("published procedure, version of the one-cycle procedure, or match", NO_UNIT),
    "log_odds": "log odds of the true category, natural logarithm",
    "target_error": "normalized error of the match",
    "seconds_per_step": ("time of one step for one stimulus", "s"),
    "operations": "floating-point operations of one step for one stimulus, up to the stage",
    "share_of_peak": "rate of these operations relative to that of float32 matrix products on the same thread",
    "variant": (
        "a quality; the published procedure through the whole network, truncated at the stage, or with our "
        "optimizations; or plenoptic without or with them",
        NO_UNIT,
    ),
    "repeat": "repeat of the measurement",
    "steps_ratio_published": (
        "steps of the published schedule to the match, divided by ours; a lower bound if it was not reached"
    ),
    "step_cost_ratio_published": "cost of a step of the published procedure, truncated at the stage, divided by ours",
    "step_cost_ratio_published_whole": "the same through the whole network at each step",
    "step_cost_ratio_published_optimized": "the same with the optimizations of this workflow, as its quality published",
    "speedup_over_published": "time of the published schedule, truncated at the stage, to the match, divided by ours",
    "speedup_over_published_low": "lowest such ratio of a repeat",
    "speedup_over_published_high": "highest such ratio of a repeat",
    "reached_published": "1 if the published schedule reached the match, else 0",
    "steps_ratio_plenoptic": "steps of plenoptic to the match, divided by ours; a lower bound if it was not reached",
    "step_cost_ratio_plenoptic": "cost of a step of plenoptic, on the network truncated at the stage, divided by ours",
    "step_cost_ratio_plenoptic_optimized": "the same on the network with the optimizations of this workflow",
    "speedup_over_plenoptic": "time of plenoptic to the match, divided by ours",
    "speedup_over_plenoptic_low": "lowest such ratio of a repeat",
    "speedup_over_plenoptic_high": "highest such ratio of a repeat",
    "reached_plenoptic": "1 if plenoptic reached the match, else 0",
    "median": "median of a ratio over stages",
    "geometric_mean": "geometric mean of a ratio over stages",
    "least": "least value over stages",
    "greatest": "greatest value over stages",
    "stages_compared": "number of stages",
    "stages_bounded": "number of stages at which the ratio is a lower bound",
    "recognized_error": "normalized error of the metamers that other recognition models judge, mean over stimuli",
    "recognized_published": "proportion of the published procedure's metamers that other recognition models recognize",
    "recognized_one_cycle": "proportion of the one-cycle procedure's metamers that other recognition models recognize",
    "difference_low": "low end of the 95% interval of the difference",
    "difference_high": "high end of the 95% interval of the difference",
    "whole_difference": "difference in recognizability over all stages, one cycle minus published procedure",
    "whole_difference_low": "low end of the 95% interval of whole_difference",
    "whole_difference_high": "high end of the 95% interval of whole_difference",
    "ratio": ("variable of a ratio to a reference", NO_UNIT),
    "seconds": ("time taken", "s"),
    "speedup": "ratio of the median times",
    "relative_error": "norm of the difference relative to the norm of the reference",
    "implementation": ("implementation", NO_UNIT),
    "models": "number of generation models",
    "judging_models": "number of recognition models",
    "metamers": "number of metamers",
    "recognitions": "number of answers of recognition models to metamers",
    "planned_jobs": "number of jobs for synthesis, export, null distribution, acceptance and recognition",
    "storage": ("size of metamers and their exports, predicted from the run's files", "Gbyte"),
    "total_operations": "floating-point operations of synthesis",
    "recognition_operations": "floating-point operations of recognition",
    "core_hours": ("time of synthesis on one CPU core, predicted from the benchmark's steps", "h"),
    "recognition_core_hours": ("time of recognition on one CPU core, predicted from the benchmark's steps", "h"),
    "core_hours_timed": ("time of synthesis on one CPU core, predicted from one timed step of each architecture", "h"),
    "recognition_core_hours_timed": (
        "time of recognition on one CPU core, predicted from one timed step of each architecture",
        "h",
    ),
    "plan": ("plan: models, recognition models and procedure", NO_UNIT),
    "card": ("graphics card", NO_UNIT),
    "gpu_hours": ("time of synthesis on the card at the assumed utilization", "h"),
    "recognition_gpu_hours": ("time of recognition on the card at the assumed utilization", "h"),
    "cost_gpu": "cost of synthesis and recognition on the card, in US dollars",
    "cost_cores": "cost of synthesis and recognition on CPU cores, predicted from the benchmark's steps, in US dollars",
    "cost_cores_timed": (
        "cost of synthesis and recognition on CPU cores, predicted from one timed step of each architecture, in US "
        "dollars"
    ),
    "price_gpu_hour": "assumed price of one hour of the card, in US dollars",
    "price_core_hour": "assumed price of one hour of a CPU core, in US dollars",
    "utilization": "assumed proportion of the peak throughput in float32",
    "peak_float32": (
        "peak throughput of the card in float32 without tensor cores, from its data sheet: assumed",
        "s-1",
    ),
    "peak_bfloat16": ("peak dense throughput of the card in bfloat16, from its data sheet; not used", "s-1"),
    "study_modality": ("modality of the model of the published study", NO_UNIT),
    "forward_operations": "floating-point operations of one forward pass for one stimulus",
    "step_fitted": ("time of a step for one stimulus at the last stage, predicted from the benchmark's steps", "s"),
    "step_float32": (
        "time of a step for one stimulus at the last stage in float32, timed once, with random weights",
        "s",
    ),
    "step_low_precision": ("the same as step_float32 in low precision, for models that support it", "s"),
    "study_model": ("model of the published study", NO_UNIT),
    "seconds_per_value": ("fitted part of a step's time for each value of the stimulus", "s"),
    "seconds_per_operation": ("fitted part of a step's time for each counted operation", "s"),
    "bytes_per_value": "size of the run's metamers and their exports, for each value of a metamer and its loss",
    "seconds_predicted": (
        "computing time of synthesis of the run's metamers, predicted from the benchmark's steps",
        "s",
    ),
    "seconds_measured": ("wall time of the run's synthesis jobs, including start, loading and writing", "s"),
    "job_stage": ("stage whose metamers a job made", NO_UNIT),
    "held_median": "measured relative to predicted time, median over the run's synthesis jobs",
    "held_low": "lowest ratio of measured to predicted time",
    "held_high": "highest ratio of measured to predicted time",
    "found": "value of the quantity",
    "at_least": "smallest accepted value",
    "at_most": "largest accepted value",
    "samples": "number of simulated data sets",
    "width": "mean width of the interval in the simulated data; missing without an interval",
    "topic": ("group of simulations", NO_UNIT),
    "statistic": ("statistic that a run reports", NO_UNIT),
    "counted": ("quantity that is counted in the simulated data", NO_UNIT),
}

MATCHES = RunFile(
    "benchmark/match/<generation_model>/<stage>.nc",
    coordinates="quality, reference, stimulus",
    variables={
        "quality, stimulus": "normalized_error, steps",
        "quality, reference": "steps_to_match",
        "": "steps_most",
    },
    meanings=MEANINGS,
)
STANDARD = RunFile(
    "benchmark/standard/<generation_model>/<stage>.nc",
    coordinates="pass_steps, stimulus",
    variables={
        "pass_steps, stimulus": "error_of_published",
        "stimulus": "error_of_standard",
        "": "published_match, standard_match",
    },
    meanings=MEANINGS,
)
GPU = RunFile(
    "benchmark/gpu/<generation_model>/<stage>.nc",
    coordinates="precision, jobs",
    variables={
        "": (
            "metamer_difference, metamer_difference_tf32, error_difference, agrees, free_card_memory, batch, "
            "batch_fits, peak_card_memory, stimulus_steps_per_second, halved_batch, recognition_batch, "
            "recognized_per_second, recognized_per_second_in_small_batches, cards, stimulus_steps_per_second_of_cards"
        ),
        "precision": "stimulus_steps_per_second_by_precision, outcome",
        "jobs": "stimulus_steps_per_second_by_jobs",
    },
    meanings=MEANINGS,
)
EQUIVALENT = RunFile(
    "benchmark/equivalent/<generation_model>/<stage>.nc",
    coordinates="kept_procedure, stimulus",
    variables={
        "kept_procedure, stimulus, signal": "metamer",
        "kept_procedure, stimulus": "normalized_error, steps",
        "stimulus": "category",
    },
    meanings=MEANINGS,
)
RECOGNITION = RunFile(
    "benchmark/recognition/<generation_model>.nc",
    coordinates="kept_procedure, stimulus, stage, recognition_model",
    variables={
        "stage, kept_procedure, stimulus": "normalized_error",
        "stimulus": "category",
        "recognition_model, stage, kept_procedure, stimulus": "correct",
    },
    meanings=MEANINGS,
)
EQUIVALENCE = RunFile(
    "benchmark/equivalence/<generation_model>/<stage>.nc",
    coordinates="version, stimulus",
    variables={
        "version, stimulus, signal": "metamer",
        "version, stimulus": "normalized_error, steps",
        "stimulus": "category",
    },
    meanings=MEANINGS,
)
EQUIVALENCE_RECOGNITION = RunFile(
    "benchmark/equivalence_recognition/<generation_model>.nc",
    coordinates="recognition_model, stage, version, stimulus",
    variables={
        "recognition_model, stage, version, stimulus": "correct, log_odds",
        "stage, version, stimulus": "normalized_error, steps",
        "stimulus": "category",
    },
    meanings=MEANINGS,
)
CONVERGENCE = RunFile(
    "benchmark/convergence/<procedure>/<generation_model>/<stage>.nc",
    coordinates="version, stimulus",
    variables={
        "version, stimulus, signal": "metamer",
        "version, stimulus": f"{MATCH}, predicted_category, steps, converged",
        "version": "target_error",
        "stimulus": "category, natural_category",
    },
    meanings=MEANINGS,
)
CONVERGENCE_RECOGNITION = RunFile(
    "benchmark/convergence_recognition/<procedure>/<generation_model>/<stage>.nc",
    coordinates="recognition_model, stage, version, stimulus",
    variables={
        "recognition_model, stage, version, stimulus": "correct, log_odds",
        "stage, version, stimulus": "normalized_error, steps",
        "stimulus": "category, natural_category",
    },
    meanings=MEANINGS,
)
SPEED = RunFile(
    "benchmark/speed/<generation_model>.nc",
    coordinates="variant, stage, repeat",
    variables={
        "variant, stage, repeat": "seconds_per_step",
        "variant, stage": "peak_memory",
        "stage": "operations, share_of_peak",
    },
    meanings=MEANINGS,
)
COMPARED = RunFile(
    "benchmark/synthesis.nc",
    coordinates="variant, stage, repeat, quality, reference, kept_procedure, model, modality, ratio",
    variables={
        "model, stage, quality": (
            "normalized_error, steps, steps_ratio_published, step_cost_ratio_published, "
            "step_cost_ratio_published_whole, step_cost_ratio_published_optimized, speedup_over_published, "
            "speedup_over_published_low, speedup_over_published_high, reached_published, steps_ratio_plenoptic, "
            "step_cost_ratio_plenoptic, step_cost_ratio_plenoptic_optimized, speedup_over_plenoptic, "
            "speedup_over_plenoptic_low, speedup_over_plenoptic_high, reached_plenoptic"
        ),
        "model, stage, quality, reference": "steps_to_match",
        "model, stage": (
            "steps_most, operations, share_of_peak, stage_number, recognized_published, recognized_one_cycle, "
            "difference, difference_low, difference_high"
        ),
        "model, variant, stage, repeat": "seconds_per_step",
        "model, variant, stage": "peak_memory",
        "modality, ratio, quality": "median, geometric_mean, least, greatest, stages_compared, stages_bounded",
        "model, stage, kept_procedure": "recognized_error",
        "model": "whole_difference, whole_difference_low, whole_difference_high",
    },
    meanings=MEANINGS,
)
COCHLEAGRAM = RunFile(
    "benchmark/cochleagram.nc",
    coordinates="implementation, repeat",
    variables={
        "implementation, repeat": "seconds",
        "": "speedup, relative_error",
    },
    meanings=MEANINGS,
)
SCALE = RunFile(
    "benchmark/scale.nc",
    coordinates="plan, card, study_model, modality, generation_model, job_stage",
    variables={
        "plan": (
            "models, judging_models, metamers, recognitions, planned_jobs, storage, total_operations, "
            "recognition_operations, core_hours, recognition_core_hours, core_hours_timed, "
            "recognition_core_hours_timed, cost_cores, cost_cores_timed"
        ),
        "plan, card": "gpu_hours, recognition_gpu_hours, cost_gpu",
        "": "price_gpu_hour, price_core_hour, utilization",
        "card": "peak_float32, peak_bfloat16",
        "study_model": "study_modality, forward_operations, step_fitted, step_float32, step_low_precision",
        "modality": "seconds_per_value, seconds_per_operation, bytes_per_value, held_median, held_low, held_high",
        "generation_model, job_stage": "seconds_predicted, seconds_measured",
    },
    meanings=MEANINGS,
)
SIMULATIONS = RunFile(
    "simulations/<topic>.nc",
    variables={
        "simulation": (
            "found, standard_error, at_least, at_most, samples, width, power, topic, statistic, condition, counted"
        ),
    },
    meanings=MEANINGS,
)
