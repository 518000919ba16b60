"use strict";
// All metamers of one model by match; the model's file is loaded when the model is selected.

{
  const figure = document.querySelector(".chart[data-chart=metamers]");
  const [ofModel, ofMeasure] = figure.querySelectorAll("select");

  const rows = (model, measure) => model.stages.flatMap((stage, place) => model.match[measure][place].map((value, cell) => {
    const seeds = model.seeds.length, [stimulus, label] = model.stimuli[Math.floor(cell / seeds)], seed = model.seeds[cell % seeds];
    const verdict = metamers.verdicts[model.verdicts[place][cell]].words;
    return {
      stage, place, stimulus: label, value, verdict,
      spread: cell / model.match[measure][place].length,
      link: `browser.html${metamers.fragment({ model: model.name, stage, stimulus, seed })}`,
      words: `${label} at ${stage}${seeds > 1 ? `, seed ${seed}` : ""}: ${model.measures[measure]} ${metamers.number(value)}, ${verdict}`,
    };
  })).filter(({ value }) => value !== null);

  const chance = (model, measure) => (model.null[measure] ?? []).map(([low, low_90, , high_90, high], place) => (
    { stage: model.stages[place], place, low, low_90, high_90, high })).filter(({ low }) => low !== null);

  async function fill() {
    const model = await metamers.need(ofModel.value);
    const measure = Object.entries(model.measures).find(([, title]) => title === ofMeasure.value)[0];
    const chart = await metamers.drawn.metamers;
    if (model.name === ofModel.value) await chart.fill({ points: rows(model, measure), null: chance(model, measure) });
  }
  ofModel.addEventListener("change", fill);
  ofMeasure.addEventListener("change", fill);
  fill();
}
