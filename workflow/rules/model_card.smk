"""Model card: one model of the registry, checked before a run: `snakemake model_card --config model=NAME`."""


include: "common/model_card.smk"


CARD_MODEL = plan.model or "no_model_named"


rule model_card:
    input:
        unpack(card_files),
    output:
        netcdf=f"results/<run>/model_cards/{CARD_MODEL}.nc",
        page=f"results/<run>/model_cards/{CARD_MODEL}.html",
    log:
        f"results/<run>/logs/model_card/{CARD_MODEL}.log",
    benchmark:
        f"results/<run>/benchmarks/model_card/{CARD_MODEL}.tsv"
    params:
        **(card_params(CARD_MODEL) if plan.model else {}),
        read=data_version(*templates("model_card")),
        run_seed=plan.seed,
    resources:
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    message:
        f"Checking {CARD_MODEL}"
    script:
        SCRIPTS / "model_card.py"
