"""Benchmark: what the workflow gains over the published procedure, plenoptic and plain implementations."""

BENCHMARK = f"{RESULTS}/benchmark"
BENCHMARKED = setup["benchmark"]


rule benchmark_cochleagram:
    output:
        f"{BENCHMARK}/cochleagram.nc",
    log:
        f"{LOGS}/benchmark_cochleagram.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_cochleagram.tsv"
    params:
        code=code("benchmark_cochleagram"),
        repeats=10,
    # All cores, so that nothing else runs while time is taken; it computes on one.
    threads: workflow.cores
    resources:
        mem_mb=growing(2000),
    conda:
        ENVIRONMENT
    message:
        "Timing the cochleagram against an implementation at the full rate"
    script:
        SCRIPTS / "benchmark_cochleagram.py"


rule benchmark_match:
    input:
        unpack(model_files("generation_model")),
        stimuli=lambda wildcards: stimuli_of(wildcards.generation_model),
    output:
        f"{BENCHMARK}/match/{{generation_model}}/{{stage}}.nc",
    log:
        f"{LOGS}/benchmark_match/{{generation_model}}/{{stage}}.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_match/{{generation_model}}/{{stage}}.tsv"
    params:
        code=code("benchmark_match"),
        model=lambda wildcards: architecture(wildcards.generation_model),
        weights_file=lambda wildcards: weights_file(wildcards.generation_model),
        stage=lambda wildcards: stage_name(wildcards.generation_model, wildcards.stage),
        number=config["benchmark"]["stimuli"],
        most=config["benchmark"]["plenoptic"]["steps"],
        settings=lambda wildcards: benchmarked_procedures(wildcards.generation_model),
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=memory_of_model,
    conda:
        BENCHMARK_ENVIRONMENT
    message:
        "Counting steps to the same match: {wildcards.generation_model}, {wildcards.stage}"
    script:
        SCRIPTS / "benchmark_match.py"


rule benchmark_equivalent:
    input:
        unpack(model_files("generation_model")),
        stimuli=lambda wildcards: stimuli_of(wildcards.generation_model),
        metamers=lambda wildcards: metamers_at(wildcards.generation_model, wildcards.stage),
    output:
        f"{BENCHMARK}/equivalent/{{generation_model}}/{{stage}}.nc",
    log:
        f"{LOGS}/benchmark_equivalent/{{generation_model}}/{{stage}}.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_equivalent/{{generation_model}}/{{stage}}.tsv"
    params:
        code=code("benchmark_equivalent"),
        model=lambda wildcards: architecture(wildcards.generation_model),
        weights_file=lambda wildcards: weights_file(wildcards.generation_model),
        stage=lambda wildcards: stage_name(wildcards.generation_model, wildcards.stage),
        settings=lambda wildcards: synthesis_settings(wildcards.generation_model, "published"),
        first=lambda wildcards: synthesis_settings(wildcards.generation_model)["steps"],
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=memory_of_model,
    conda:
        BENCHMARK_ENVIRONMENT
    message:
        "Bringing the published procedure to the match of {wildcards.generation_model}, {wildcards.stage}"
    script:
        SCRIPTS / "benchmark_equivalent.py"


rule benchmark_recognize:
    input:
        equivalent=lambda wildcards: benchmarked_stages("equivalent", wildcards.generation_model),
        weights=lambda wildcards: [
            file for judge in other_judges(wildcards.generation_model) for file in files_of_model(judge)
        ],
        categories=lambda wildcards: choice(wildcards.generation_model)["categories"],
    output:
        f"{BENCHMARK}/recognition/{{generation_model}}.nc",
    log:
        f"{LOGS}/benchmark_recognize/{{generation_model}}.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_recognize/{{generation_model}}.tsv"
    params:
        code=code("benchmark_recognize"),
        judges=lambda wildcards: judges_by_name(other_judges(wildcards.generation_model)),
        stages=lambda wildcards: BENCHMARKED[wildcards.generation_model],
        modality=lambda wildcards: setup["models"][wildcards.generation_model]["modality"],
        rate_hz=lambda wildcards: setup["models"][wildcards.generation_model]["input"].get("sampling_rate_hz"),
        dataset=lambda wildcards: setup["dataset_of"][wildcards.generation_model],
        dataset_entry=lambda wildcards: choice(wildcards.generation_model),
    threads: 1
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Asking other models what both procedures' metamers of {wildcards.generation_model} are"
    script:
        SCRIPTS / "benchmark_recognize.py"


rule benchmark_speed:
    input:
        unpack(model_files("generation_model")),
        stimuli=lambda wildcards: stimuli_of(wildcards.generation_model),
    output:
        f"{BENCHMARK}/speed/{{generation_model}}.nc",
    log:
        f"{LOGS}/benchmark_speed/{{generation_model}}.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_speed/{{generation_model}}.tsv"
    params:
        code=code("benchmark_speed"),
        model=lambda wildcards: architecture(wildcards.generation_model),
        weights_file=lambda wildcards: weights_file(wildcards.generation_model),
        stages=lambda wildcards: BENCHMARKED[wildcards.generation_model],
        settings=lambda wildcards: benchmarked_procedures(wildcards.generation_model),
        repeats=config["benchmark"]["repeats"],
        run_seed=config["seed"],
    # All cores, so that nothing else runs while time is taken; it computes on one.
    threads: workflow.cores
    resources:
        mem_mb=memory_of_model,
    conda:
        BENCHMARK_ENVIRONMENT
    message:
        "Timing steps of synthesis with {wildcards.generation_model}"
    script:
        SCRIPTS / "benchmark_speed.py"


rule benchmark_synthesis:
    input:
        what_is_benchmarked,
        matched=[file for model in BENCHMARKED for file in benchmarked_stages("match", model)],
        speed=[f"{BENCHMARK}/speed/{model}.nc" for model in BENCHMARKED],
        recognized=[f"{BENCHMARK}/recognition/{model}.nc" for model in BENCHMARKED],
    output:
        f"{BENCHMARK}/synthesis.nc",
    log:
        f"{LOGS}/benchmark_synthesis.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_synthesis.tsv"
    params:
        code=code("benchmark_synthesis"),
        models=BENCHMARKED,
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Comparing times to the same match"
    script:
        SCRIPTS / "benchmark_synthesis.py"


# Of the first model of vision: its middle and last benchmarked stage.
TRIED = next((model for model in BENCHMARKED if setup["models"][model]["modality"] == "vision"), None)

if TRIED:

    rule benchmark_trials:
        input:
            unpack(lambda wildcards: model_files("model")({"model": TRIED})),
            stimuli=stimuli_of(TRIED),
        output:
            f"{BENCHMARK}/trials.nc",
        log:
            f"{LOGS}/benchmark_trials.log",
        benchmark:
            f"{BENCHMARKS}/benchmark_trials.tsv"
        params:
            code=code("benchmark_trials"),
            name=TRIED,
            model=architecture(TRIED),
            weights_file=weights_file(TRIED),
            stages=list(dict.fromkeys(BENCHMARKED[TRIED][place] for place in (len(BENCHMARKED[TRIED]) // 2, -1))),
            number=config["benchmark"]["trials"]["stimuli"],
            steps=config["benchmark"]["trials"]["steps"],
            settings=config["synthesis"]["one_cycle"]["vision"],
            run_seed=config["seed"],
        threads: workflow.cores
        resources:
            mem_mb=memory_of_model,
            gpu=gpus(),
        conda:
            ENVIRONMENT
        message:
            "Trying what might make synthesis faster"
        script:
            SCRIPTS / "benchmark_trials.py"


rule benchmark_workflow:
    input:
        # What a run makes, so that its jobs are done.
        rules.report.output,
        rules.leaderboard.output,
        COMPARISON,
    output:
        f"{BENCHMARK}/workflow.nc",
    log:
        f"{LOGS}/benchmark_workflow.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_workflow.tsv"
    params:
        code=code("benchmark_workflow"),
        logs=LOGS,
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Reading from the logs what starting, loading and writing took"
    script:
        SCRIPTS / "benchmark_workflow.py"


rule benchmark_scale:
    input:
        speed=rules.benchmark_synthesis.input.speed,
        metamers=[file for model in setup["generation_models"] for file in metamers_of(model)],
        exported=[f"{RESULTS}/exported/metamers/{model}" for model in setup["generation_models"]],
    output:
        f"{BENCHMARK}/scale.nc",
    log:
        f"{LOGS}/benchmark_scale.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_scale.tsv"
    params:
        code=code("benchmark_scale"),
        study=lambda wildcards: published_study(),
        benchmarked=list(BENCHMARKED),
        run_models={model: architecture(model) for model in setup["generation_models"]},
        run_stages=setup["generation_models"],
        run_settings=config["synthesis"][config["synthesis"]["procedure"]],
        groups=synthesis_groups(),
        batches={model: batches(model) for model in setup["generation_models"]},
        seeds=config["synthesis"]["seeds"],
        prices={"gpu_hour": 2.5, "core_hour": 0.04},  # assumed, in US dollars, of clouds that rent by the hour
        run=lambda wildcards, output: str(Path(output[0]).parents[1]),
    # All cores, so that nothing else runs while time is taken; it computes on one.
    threads: workflow.cores
    resources:
        mem_mb=growing(6000),
    conda:
        ENVIRONMENT
    message:
        "Predicting what the whole study would take"
    script:
        SCRIPTS / "benchmark_scale.py"


rule benchmark_page:
    input:
        matched=rules.benchmark_synthesis.input.matched,
        speed=rules.benchmark_synthesis.input.speed,
        synthesis=f"{BENCHMARK}/synthesis.nc",
        cochleagram=f"{BENCHMARK}/cochleagram.nc",
        workflow=f"{BENCHMARK}/workflow.nc",
        trials=[f"{BENCHMARK}/trials.nc"] if TRIED else [],
        scale=lambda wildcards: [f"{BENCHMARK}/scale.nc"] if published_study() else [],
    output:
        report(f"{RESULTS}/report/benchmark.html", caption="../report/benchmark.rst", category="Benchmark"),
    log:
        f"{LOGS}/benchmark_page.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_page.tsv"
    params:
        code=code("benchmark_page", *templates("benchmark")),
        models=BENCHMARKED,
        settings=config["benchmark"],
    threads: 1
    resources:
        mem_mb=growing(1000),
    conda:
        ENVIRONMENT
    message:
        "Writing the benchmark's page"
    script:
        SCRIPTS / "benchmark_page.py"
