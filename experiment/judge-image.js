/** A jsPsych plugin: fixation, picture, mask, then a choice among the categories. One answer is one trial. */

import { pressed, wait } from "./load.js";
import { ASKED, BUTTONS } from "./words.js";

const { ParameterType } = window.jsPsychModule;

const HALF_A_FRAME = 8; // ms, at 60 frames a second

const frame = () => new Promise(requestAnimationFrame);

/** Show an element for so many ms, as near as frames allow; gives for how long it was there. */
async function show(display, element, ms) {
  display.replaceChildren(element);
  const began = await frame();
  let now = began;
  while (now - began < ms - HALF_A_FRAME) now = await frame();
  return now - began;
}

function element(kind, textContent, more = {}) {
  return Object.assign(document.createElement(kind), { textContent, ...more });
}

function faint(text) {
  return element("p", text, { className: "faint" });
}

function framed(...content) {
  const box = element("div", "", { className: "seen" });
  box.append(...content);
  return box;
}

function picture(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "a picture");
  canvas.style.width = canvas.style.height = "100%";
  return framed(canvas);
}

function fixation() {
  return framed(element("span", "+", { className: "fixation" }));
}

function choices(categories, icons) {
  const grid = document.createElement("div");
  grid.className = "choices";
  for (const category of categories) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.answer = category;
    if (icons[category]) {
      const icon = document.createElement("img");
      icon.src = icons[category];
      icon.alt = "";
      button.append(icon);
    }
    button.append(category);
    grid.append(button);
  }
  return grid;
}

export class JudgeImage {
  static info = {
    name: "judge-image",
    version: "1.0.0",
    parameters: {
      stimulus: { type: ParameterType.FUNCTION, default: undefined }, // gives a promise of an ImageBitmap
      shown: { type: ParameterType.FUNCTION, default: undefined }, // gives a promise of whether it may be shown
      already: { type: ParameterType.BOOL, default: false }, // whether it was shown before a reload: then it is not again
      mask: { type: ParameterType.FUNCTION, default: undefined }, // gives an ImageBitmap
      categories: { type: ParameterType.STRING, array: true, default: undefined },
      icons: { type: ParameterType.OBJECT, default: {} }, // category → file
      durations: { type: ParameterType.OBJECT, default: undefined }, // pause_ms, fixation_ms, image_ms, mask_ms
      place: { type: ParameterType.STRING, default: "" }, // "3 of 40"
    },
    data: {
      answer: { type: ParameterType.STRING },
      rt: { type: ParameterType.FLOAT }, // ms from when the choices are there
      shown_ms: { type: ParameterType.FLOAT }, // -1 where it was not, as it had been before
      already: { type: ParameterType.BOOL }, // whether it had been shown before a reload
    },
  };

  /** The picture, once the participant is ready; gives for how long it was there, or -1 if another page showed it. */
  async present(display, trial, loaded) {
    const stimulus = await trial.stimulus();
    const ready = element("button", BUTTONS.show, { type: "button" });
    display.replaceChildren(element("h1", ASKED.vision.ready), ready, faint(trial.place));
    loaded();
    await pressed(ready);
    display.replaceChildren();
    const [first] = await Promise.all([trial.shown(), wait(trial.durations.pause_ms)]);
    if (!first) return -1;
    await show(display, fixation(), trial.durations.fixation_ms);
    const shown = await show(display, picture(stimulus), trial.durations.image_ms);
    await show(display, picture(trial.mask()), trial.durations.mask_ms);
    return shown;
  }

  async trial(display, trial, loaded) {
    const shown = trial.already ? -1 : await this.present(display, trial, loaded);
    const grid = choices(trial.categories, trial.icons);
    const already = shown < 0;
    const asked = ASKED.vision[already ? "already" : "question"];
    display.replaceChildren(element("h1", asked), grid, faint(trial.place));
    if (trial.already) loaded();
    const began = performance.now();
    const answer = await new Promise((resolve) =>
      grid.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button) resolve(button.dataset.answer);
      }),
    );
    return { answer, rt: performance.now() - began, shown_ms: shown, already };
  }
}
