"""Recognition: every recognition model judges every generation model's exported metamers and the natural stimuli."""


rule recognize:
    input:
        unpack(model_files("recognition_model")),
        metamers=rules.synthesize_export.output,
        natural=lambda wildcards: exported_stimuli_of(wildcards.generation_model),
        acceptance=rules.null_acceptance.output,
        categories=lambda wildcards: choice(wildcards.generation_model)["categories"],
    output:
        f"{RESULTS}/recognition/{{generation_model}}/{{recognition_model}}.nc",
    log:
        f"{LOGS}/recognize/{{generation_model}}/{{recognition_model}}.log",
    benchmark:
        f"{BENCHMARKS}/recognize/{{generation_model}}/{{recognition_model}}.tsv"
    params:
        code=code("recognize"),
        model=lambda wildcards: architecture(wildcards.recognition_model),
        weights_file=lambda wildcards: weights_file(wildcards.recognition_model),
        # Of exported sounds; None of pictures.
        natural_rate_hz=lambda wildcards: setup["datasets"][setup["dataset_of"][wildcards.generation_model]].get(
            "sampling_rate_hz"
        ),
        metamer_rate_hz=lambda wildcards: setup["models"][wildcards.generation_model]["input"].get("sampling_rate_hz"),
        dataset=lambda wildcards: setup["dataset_of"][wildcards.generation_model],
        dataset_entry=lambda wildcards: choice(wildcards.generation_model),
    threads: 1
    resources:
        mem_mb=memory_of_model,
    conda:
        ENVIRONMENT
    message:
        "Asking {wildcards.recognition_model} what metamers of {wildcards.generation_model} are"
    script:
        SCRIPTS / "recognize.py"
