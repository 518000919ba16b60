/** A jsPsych plugin for one trial with a sound: the sound, once, then a typed word, completed from the vocabulary. */

import { play, pressed } from "./load.js";
import { beginning } from "./type-ahead.js";
import { BUTTONS, OF_SOUNDS } from "./words.js";

const { ParameterType } = window.jsPsychModule;

export class JudgeSound {
  static info = {
    name: "judge-sound",
    version: "1.0.0",
    parameters: {
      stimulus: { type: ParameterType.FUNCTION, default: undefined }, // returns a promise of an AudioBuffer
      shown: { type: ParameterType.FUNCTION, default: undefined }, // returns a promise: may it be played?
      already: { type: ParameterType.BOOL, default: false }, // played before a reload, and not again
      categories: { type: ParameterType.STRING, array: true, default: undefined },
      place: { type: ParameterType.STRING, default: "" }, // "3 of 40"
    },
    data: {
      answer: { type: ParameterType.STRING },
      rt: { type: ParameterType.FLOAT }, // ms from the end of the sound
      already: { type: ParameterType.BOOL }, // whether the sound had been played before a reload
    },
  };

  async trial(display, trial, loaded) {
    const sound = trial.already ? null : await trial.stimulus();
    display.innerHTML = `
      <h1>${OF_SOUNDS.question}</h1>
      <p><button type="button" class="play">${BUTTONS.play}</button></p>
      <form class="word" autocomplete="off">
        <input id="word" list="vocabulary" aria-label="${OF_SOUNDS.label}" aria-describedby="hint" spellcheck="false" disabled>
        <datalist id="vocabulary"></datalist>
        <button disabled>${BUTTONS.answer}</button>
      </form>
      <p id="hint" class="faint">${OF_SOUNDS.hint}</p>
      <p class="faint"></p>`;
    display.querySelector("p:last-child").textContent = trial.place;
    display.querySelector("datalist").append(...trial.categories.map((word) => new Option(word, word)));
    const playing = display.querySelector(".play");
    const form = display.querySelector("form");
    const [input, button] = [form.querySelector("input"), form.querySelector("button")];
    const words = new Map(trial.categories.map((word) => [word.toLowerCase(), word]));
    /** The category that is typed, or the only one that begins with the typed letters. */
    const typed = () => {
      const text = input.value.trim().toLowerCase();
      const found = text ? beginning(trial.categories, text) : [];
      return words.get(text) ?? (found.length === 1 ? found[0] : undefined);
    };
    loaded();
    let { already } = trial;
    if (!already) {
      await pressed(playing);
      playing.disabled = true;
      already = !(await trial.shown());
    }
    if (already) {
      playing.parentElement.remove();
      display.querySelector("h1").textContent = OF_SOUNDS.already;
    } else await play(sound);
    const began = performance.now();
    input.disabled = false;
    input.focus();
    input.addEventListener("input", () => {
      button.disabled = !typed();
      button.textContent = typed() ? `${BUTTONS.answer}: ${typed()}` : BUTTONS.answer;
    });
    const answer = await new Promise((resolve) =>
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (typed()) resolve(typed());
      }),
    );
    return { answer, rt: performance.now() - began, already };
  }
}
