/** A jsPsych plugin: a sound, played once, then a word to be typed, completed from the vocabulary. */

import { play } from "./load.js";

const { ParameterType } = window.jsPsychModule;

export class JudgeSound {
  static info = {
    name: "judge-sound",
    version: "1.0.0",
    parameters: {
      stimulus: { type: ParameterType.FUNCTION, default: undefined }, // gives a promise of an AudioBuffer
      categories: { type: ParameterType.STRING, array: true, default: undefined },
      place: { type: ParameterType.STRING, default: "" }, // "3 of 40"
    },
    data: {
      answer: { type: ParameterType.STRING },
      rt: { type: ParameterType.FLOAT }, // ms from the end of the sound
    },
  };

  async trial(display, trial, loaded) {
    const sound = await trial.stimulus();
    display.innerHTML = `
      <h1>Which word did you hear?</h1>
      <form class="word" autocomplete="off">
        <input id="word" list="vocabulary" aria-label="The word" aria-describedby="hint" spellcheck="false" disabled>
        <datalist id="vocabulary"></datalist>
        <button disabled>Answer</button>
      </form>
      <p id="hint" class="faint">Type, and take a word from the list.</p>
      <p class="faint"></p>`;
    display.querySelector("p:last-child").textContent = trial.place;
    display.querySelector("datalist").append(...trial.categories.map((word) => new Option(word, word)));
    const form = display.querySelector("form");
    const [input, button] = [form.querySelector("input"), form.querySelector("button")];
    const words = new Map(trial.categories.map((word) => [word.toLowerCase(), word]));
    const typed = () => words.get(input.value.trim().toLowerCase());
    loaded();
    await play(sound);
    const began = performance.now();
    input.disabled = false;
    input.focus();
    input.addEventListener("input", () => (button.disabled = !typed()));
    const answer = await new Promise((resolve) =>
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        if (typed()) resolve(typed());
      }),
    );
    return { answer, rt: performance.now() - began };
  }
}
