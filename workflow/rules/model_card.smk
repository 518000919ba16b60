"""Model card: one model of the registry, checked before a run: `snakemake model_card --config model=NAME`."""

CARD_MODEL = config["model"] or "no_model_named"


rule model_card:
    input:
        unpack(card_files),
    output:
        netcdf=f"{RESULTS}/model_cards/{CARD_MODEL}.nc",
        page=f"{RESULTS}/model_cards/{CARD_MODEL}.html",
    log:
        f"{LOGS}/model_card/{CARD_MODEL}.log",
    benchmark:
        f"{BENCHMARKS}/model_card/{CARD_MODEL}.tsv"
    params:
        code=code("model_card", *templates("model_card")),
        model=lambda wildcards: architecture(CARD_MODEL),
        references=lambda wildcards: setup["models"][CARD_MODEL].get("references", []),
        weights_file=lambda wildcards: weights_file(CARD_MODEL),
        settings=lambda wildcards: card_settings(CARD_MODEL),
        run_seed=config["seed"],
    threads: 1
    resources:
        mem_mb=growing(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        f"Checking {CARD_MODEL}"
    script:
        SCRIPTS / "model_card.py"
