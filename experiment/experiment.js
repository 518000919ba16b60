/** The experiment: consent, headphone check for sounds, practice, then the stimuli of one order of the design. */

import { Headphones, noise } from "./headphones.js";
import { decoded, loader } from "./load.js";
import { MODALITIES } from "./modalities.js";
import { findPlace, randomName } from "./places.js";
import { view } from "./view.js";
import { BUTTONS, END, nameCategories, PAGES, STOPPED, toldAfter } from "./words.js";

const { initJsPsych, jsPsychHtmlButtonResponse } = window;

/** A jsPsych plugin that waits for something, without showing anything. */
class Wait {
  static info = {
    name: "wait",
    version: "1.0.0",
    parameters: { until: { type: window.jsPsychModule.ParameterType.FUNCTION, default: undefined } },
    data: {},
  };

  async trial(_display, trial, loaded) {
    loaded();
    await trial.until();
    return {};
  }
}

const root = document.getElementById("experiment");
const YES = 0; // the first button of a page
const AGREED = "yes"; // the answer to the consent form without which nothing is shown or stored
const LONG = 80; // trials; an experiment with at least as many has breaks

/** Replace the page by a heading, a text, and optionally a file to save and a button: the end, or an error. */
function say(heading, text, file, button) {
  const element = (kind, textContent, more) => Object.assign(document.createElement(kind), { textContent, ...more });
  const page = element("div", "", { className: "jspsych-content words" });
  page.append(element("h1", heading), element("p", text));
  if (file) page.append(element("a", BUTTONS.save, { href: file.address, download: file.name }));
  if (button) {
    const line = element("p", "");
    line.append(button);
    page.append(line);
  }
  const wrapper = element("div", "", { className: "jspsych-content-wrapper" });
  wrapper.append(page);
  root.className = "jspsych-display-element";
  root.replaceChildren(wrapper);
}

const of = (rows, kind) => rows.filter((row) => row.kind === kind);

/** The reason to end the experiment early, given the participant's answers so far, or null. */
function stopped(design, rows) {
  const failed = ({ trials, at_least }, answers, right) =>
    answers.length === trials && answers.filter(right).length < at_least;
  if (!of(rows, "consent").some((row) => row.answer === AGREED)) return "consent";
  if (failed(design.headphones, of(rows, "headphones"), (row) => row.answer === row.target)) return "headphones";
  const { categories } = design.practice;
  if (failed(design.practice, of(rows, "practice"), (row) => row.answer === categories[row.exhibit])) return "practice";
  return null;
}

async function main() {
  const design = await (await fetch("design.json")).json();
  nameCategories(design.noun);
  const consent = await (await fetch("consent.html")).text();
  const place = await findPlace(design);
  const before = place.ended?.();
  if (before) {
    const next = Object.assign(document.createElement("button"), { type: "button", textContent: BUTTONS.next });
    next.addEventListener("click", () => {
      place.forget();
      location.reload();
    });
    return say(END.before, [before.text, END.once].filter(Boolean).join(" "), before.file, next);
  }
  const { participant, order, rows, closed } = await place.begin();
  if (closed) return say(END.closed, END.enough);
  const answered = rows.filter((row) => row.kind !== "shown");
  const done = new Set(rows.map((row) => row.step));
  // In an adaptive experiment, the server chooses the exhibits after the practice one by one: undefined until then.
  const files = design.orders[order].map((exhibit) => design.exhibits[exhibit]);
  const stimulus = loader((number) => files[number] && `stimuli/${files[number]}`);
  let enough = false; // whether the server has no more trials
  const masks = await Promise.all(design.masks.map(decoded));
  const modality = MODALITIES[design.modality];
  document.addEventListener("click", modality.atFirstClick, { once: true });

  root.replaceChildren();
  const jsPsych = initJsPsych({ display_element: root });
  const name = randomName(); // identifies this page, because no two pages may show the same stimulus
  const own = { participant, order, design: design.design };
  jsPsych.data.addProperties(own);

  /** Store the answer of a trial before the experiment continues. */
  const kept = (step, kind, more = () => ({})) => ({
    data: { step, kind },
    on_finish: async (row) => {
      Object.assign(row, more());
      if (kind === "consent") row.answer = row.response === YES ? AGREED : "no";
      Object.assign(row, view());
      answered.push(row);
      await place.keep(row);
    },
  });

  const page = (html, choices) => ({
    type: jsPsychHtmlButtonResponse,
    stimulus: () => `<div class="words">${typeof html === "function" ? html() : html}</div>`,
    choices,
    save_trial_parameters: { stimulus: false }, // the text is long
  });

  const { feedback, trials: counted, categories: known } = design.practice;
  const practised = feedback + counted;
  const mainTrials = files.length - practised;

  const judge = (number, kind, label) => ({
    type: modality.judge,
    stimulus: () => stimulus(number),
    // No stimulus is shown twice: after a reload, the participant answers from memory.
    shown: () =>
      place.keep({ ...own, step: `shown-${number}`, kind: "shown", exhibit: files[number], answer: "", page: name }),
    already: done.has(`shown-${number}`),
    categories: design.categories,
    place: label,
    ...modality.presentation(design, masks, number),
    ...kept(`trial-${number}`, kind, () => ({ exhibit: files[number] })),
  });

  const { how } = modality.words;
  const toMain = page(PAGES.main(how, mainTrials, design.adaptive), [BUTTONS.begin]);

  /** In an adaptive experiment, ask for the exhibit of a trial first. If there is none, the trial is left out, with the
   * page before it: the introduction to the first main trial, or a break. */
  const chosen = (number, trial) => {
    const ask = async () => {
      files[number] = enough ? undefined : ((await place.next(number)) ?? undefined);
      enough = !files[number];
    };
    return {
      data: trial.data,
      timeline: [
        { type: Wait, until: ask },
        {
          timeline: [...(number === practised ? [toMain] : pause(number - practised)), trial],
          conditional_function: () => !enough,
        },
      ],
      conditional_function: () => !enough,
    };
  };

  /** The feedback after an answer in the examples. */
  const told = (number) =>
    page(() => {
      const right = known[files[number]];
      const seen = modality.again(`stimuli/${files[number]}`);
      return toldAfter(answered.at(-1).answer, right, seen, design.icons[right]);
    }, [BUTTONS.goOn]);

  /** A section of trials without those answered already; the introduction is left out if any trial is answered. */
  const section = (introduction, trials, after = () => []) => {
    const left = trials.filter((trial) => !done.has(trial.data.step));
    if (!left.length) return [];
    const timeline = left.flatMap((trial) => [trial, ...after(trials.indexOf(trial))]);
    if (left.length === trials.length) timeline.unshift(...introduction);
    return [{ timeline, conditional_function: () => !stopped(design, answered) }];
  };

  /** A break after each quarter of a long experiment, given the number of main trials before it. */
  const pause = (number) => {
    const quarter = [1, 2, 3].find((part) => number === Math.round((part * mainTrials) / 4));
    return quarter && mainTrials >= LONG ? [page(PAGES.pause(design.adaptive ? 0 : quarter), [BUTTONS.goOn])] : [];
  };

  const welcomeBack = {
    ...page(PAGES.welcomeBack, [BUTTONS.goOn, ...(place.forget ? [BUTTONS.somebodyElse] : [])]),
    on_finish: async (row) => {
      if (row.response === YES) return;
      place.forget();
      location.reload();
      await new Promise(() => {}); // wait until the page is replaced
    },
  };
  const volume = {
    timeline: [page(PAGES.volume, [BUTTONS.goOn, BUTTONS.noise])],
    loop_function: (data) => {
      const again = data.values()[0].response !== YES;
      if (again) noise();
      return again;
    },
  };
  const headphones = Array.from({ length: design.headphones.trials }, (_, number) => ({
    type: Headphones,
    ...kept(`headphones-${number}`, "headphones"),
  }));
  const judged = files.map((_, number) => {
    if (number < feedback) return judge(number, "feedback", `example ${number + 1} of ${feedback}`);
    if (number < practised) return judge(number, "practice", `practice: ${number + 1 - feedback} of ${counted}`);
    if (design.adaptive) return chosen(number, judge(number, "main", `${number + 1 - practised} of at most ${mainTrials}`));
    return judge(number, "main", `${number + 1 - practised} of ${mainTrials}`);
  });

  await jsPsych.run([
    ...(place.before ?? []),
    ...(rows.length ? [welcomeBack] : []),
    ...(done.has("consent") ? [] : [{ ...page(consent, BUTTONS.consent), ...kept("consent", "consent") }]),
    ...section([volume, page(PAGES.check, [BUTTONS.tones])], headphones),
    ...section([page(PAGES.feedback(how), [BUTTONS.begin])], judged.slice(0, feedback), (number) => [told(number)]),
    ...section([page(PAGES.practice(how, feedback), [BUTTONS.begin])], judged.slice(feedback, practised)),
    ...(design.adaptive
      ? section([], judged.slice(practised))
      : section([toMain], judged.slice(practised), (number) => pause(number + 1))),
    ...(place.after ?? []),
  ]);
  const why = stopped(design, answered);
  const { text, file } = await place.end(answered, why);
  const words = { consent: STOPPED.consent }[why] ?? [STOPPED[why], text].filter(Boolean).join(" ");
  say(why ? END.early : END.thanks, words, file);
}

const failed = (error) => say(END.failed, `${error.message} ${END.reload}`);
window.addEventListener("unhandledrejection", (event) => failed(event.reason));
main().catch(failed);
