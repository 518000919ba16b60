/** A jsPsych plugin: one trial of the headphone check of Woods, Siegel, Traer & McDermott (2017), Attention, Perception
 * & Psychophysics 79, 2064-2072. One of three tones is quieter than the others. Another has its two channels in
 * antiphase: over loudspeakers, the channels cancel in the air, so that this tone seems the quietest; over headphones,
 * they do not.
 */

import { audio, play } from "./load.js";

const { ParameterType } = window.jsPsychModule;

// 200 Hz as in the authors' own page of the check. From memory, not verified: duration, ramps, gaps and the 6 dB.
const TONE = { hz: 200, seconds: 1, ramp: 0.1, gap: 0.5, amplitude: 0.25, quieter: 10 ** (-6 / 20) };
const KINDS = ["same", "quiet", "antiphase"];

/** Three tones of the given kinds, one after another, as a stereo buffer. */
function tones(kinds) {
  const rate = audio().sampleRate;
  const every = Math.round((TONE.seconds + TONE.gap) * rate);
  const buffer = audio().createBuffer(2, every * kinds.length, rate);
  const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(1)];
  kinds.forEach((kind, place) => {
    for (let sample = 0; sample < TONE.seconds * rate; sample++) {
      const time = sample / rate;
      const edge = Math.min(1, time / TONE.ramp, (TONE.seconds - time) / TONE.ramp);
      const ramp = Math.sin((edge * Math.PI) / 2) ** 2;
      const value = TONE.amplitude * ramp * Math.sin(2 * Math.PI * TONE.hz * time);
      left[place * every + sample] = kind === "quiet" ? value * TONE.quieter : value;
      right[place * every + sample] = (kind === "antiphase" ? -1 : 1) * left[place * every + sample];
    }
  });
  return buffer;
}

/** Play a second of noise as loud as the stimuli, for adjusting the volume. */
export async function noise() {
  const buffer = audio().createBuffer(1, audio().sampleRate, audio().sampleRate);
  const values = buffer.getChannelData(0);
  for (let sample = 0; sample < values.length; sample++) values[sample] = 0.1 * Math.sqrt(3) * (2 * Math.random() - 1);
  await play(buffer);
}

function shuffled(values) {
  const left = [...values];
  return values.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0]);
}

export class Headphones {
  static info = {
    name: "headphones",
    version: "1.0.0",
    parameters: {},
    data: {
      answer: { type: ParameterType.STRING }, // the tone that seemed the quietest: 1, 2 or 3
      target: { type: ParameterType.STRING }, // the quietest tone
      rt: { type: ParameterType.FLOAT }, // ms from the end of the tones
    },
  };

  async trial(display, trial, loaded) {
    const kinds = shuffled(KINDS);
    display.innerHTML = `
      <h1>Which tone was the quietest?</h1>
      <div class="jspsych-btn-group-grid" style="grid-template-columns: repeat(3, 1fr)">
        <button type="button" data-answer="1" disabled>First</button>
        <button type="button" data-answer="2" disabled>Second</button>
        <button type="button" data-answer="3" disabled>Third</button>
      </div>`;
    loaded();
    await play(tones(kinds));
    const began = performance.now();
    const buttons = [...display.querySelectorAll("button")];
    for (const button of buttons) button.disabled = false;
    const answer = await new Promise((resolve) => {
      for (const button of buttons) button.addEventListener("click", () => resolve(button.dataset.answer));
    });
    return { answer, target: String(1 + kinds.indexOf("quiet")), rt: performance.now() - began };
  }
}
