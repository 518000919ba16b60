/** A jsPsych plugin for one trial with a picture: fixation cross, picture, mask, then a choice among the categories. */

import { pressed, wait } from "./load.js";
import { typeAhead } from "./type-ahead.js";
import { fits, watch } from "./view.js";
import { BUTTONS, OF_IMAGES } from "./words.js";

const { ParameterType } = window.jsPsychModule;

const HALF_A_FRAME = 8; // ms, at 60 frames a second

const frame = () => new Promise(requestAnimationFrame);

/** Show an element for the given ms, as closely as frames allow; returns the actual duration. */
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

const PICTURE = 224; // CSS pixels, as in experiment.css

/** A warning that is shown while the window is too small for the picture. */
function warning() {
  const text = element("p", OF_IMAGES.small, { className: "warning", hidden: true });
  text.setAttribute("role", "alert");
  return text;
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
  const longest = Math.max(...categories.flatMap((category) => category.split(/\s/)).map((word) => word.length));
  grid.style.setProperty("--longest", longest); // letters of the longest word, so that no button breaks a word
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
      stimulus: { type: ParameterType.FUNCTION, default: undefined }, // returns a promise of an ImageBitmap
      shown: { type: ParameterType.FUNCTION, default: undefined }, // returns a promise: may it be shown?
      already: { type: ParameterType.BOOL, default: false }, // shown before a reload, and not again
      mask: { type: ParameterType.FUNCTION, default: undefined }, // returns an ImageBitmap
      categories: { type: ParameterType.STRING, array: true, default: undefined },
      icons: { type: ParameterType.OBJECT, default: {} }, // category → file
      durations: { type: ParameterType.OBJECT, default: undefined }, // pause_ms, fixation_ms, image_ms, mask_ms
      place: { type: ParameterType.STRING, default: "" }, // "3 of 40"
    },
    data: {
      answer: { type: ParameterType.STRING },
      rt: { type: ParameterType.FLOAT }, // ms from the appearance of the choices
      shown_ms: { type: ParameterType.FLOAT }, // -1 if the picture was not shown because it had been shown before
      already: { type: ParameterType.BOOL }, // whether the picture had been shown before a reload
    },
  };

  /** Show the picture when the participant is ready; returns its duration in ms, or -1 if another page has shown it. */
  async present(display, trial, loaded) {
    const stimulus = await trial.stimulus();
    const ready = element("button", BUTTONS.show, { type: "button" });
    const small = warning();
    display.replaceChildren(element("h1", OF_IMAGES.ready), ready, small, faint(trial.place));
    watch(small, () => (small.hidden = fits(PICTURE)));
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
    const asked = OF_IMAGES[already ? "already" : "question"];
    const typed = element("p", "", { className: "typed" });
    typed.setAttribute("aria-live", "polite");
    const hint = faint(OF_IMAGES.hint);
    hint.classList.add("keys");
    display.replaceChildren(element("h1", asked), grid, typed, hint, faint(trial.place));
    const stopTyping = typeAhead([...grid.querySelectorAll("button")], typed);
    if (trial.already) loaded();
    const began = performance.now();
    const answer = await new Promise((resolve) =>
      grid.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button) resolve(button.dataset.answer);
      }),
    );
    stopTyping();
    return { answer, rt: performance.now() - began, shown_ms: shown, already };
  }
}
