/** All texts that participants read, except the consent form (consent.html) and the headphone check (headphones.js). */

let noun = "category"; // the name of one category in these texts, from design.json

/** Use another noun for the categories, such as “word”. */
export function nameCategories(given) {
  noun = given;
}

export const PAGES = {
  welcomeBack: `<h1>Welcome back</h1><p>You have already started this experiment. Would you like to continue where you
    stopped?</p>`,
  volume: `<h1>Headphones</h1><p>Please put on headphones. Play the noise, and adjust the volume until you hear it well
    and it is comfortable.</p>`,
  check: "<h1>Headphone check</h1><p>You will hear three tones, one after another. Then choose the quietest one.</p>",
  feedback: (how) =>
    `<h1>Examples</h1>${how}<p>In these examples, we show you the right answer after each of yours.</p>`,
  practice: (how, told) =>
    `<h1>Practice</h1>${how}${told ? "<p>From now on, we do not show you the right answer.</p>" : ""}`,
  /** `quarter` is 0 if it is not known how many trials will follow. */
  pause: (quarter) => {
    const done = quarter ? `You have finished ${["a quarter", "half", "three quarters"][quarter - 1]} of the experiment. ` : "";
    return `<h1>Take a break</h1><p>${done}Continue when you are ready.</p>`;
  },
  main: (how, number, most) =>
    `<h1>The experiment</h1>${how}<p>The practice is over. There are ${most ? "at most " : ""}${number} trials.</p>`,
};

/** Escape text for HTML. */
function escaped(words) {
  return Object.assign(document.createElement("p"), { textContent: words }).innerHTML;
}

/** The feedback after an answer in the examples, given HTML of what was shown. */
export function toldAfter(answer, right, seen, icon) {
  const heading = `<h1>${answer === right ? "Correct" : "Not quite"}</h1>`;
  const drawn = icon ? `<div class="seen small"><img src="${icon}" alt=""></div>` : "";
  return `${heading}${seen}<p>It was “${escaped(right)}”; you answered “${escaped(answer)}”.</p>${drawn}`;
}

export const BUTTONS = {
  consent: ["I agree to take part", "I do not agree"],
  goOn: "Continue",
  somebodyElse: "I am a different person",
  noise: "Play the noise",
  tones: "Play the tones",
  begin: "Start",
  show: "Show the picture",
  play: "Play the sound",
  answer: "Answer",
  next: "The next person takes part",
  save: "Save my answers",
};

/** Texts of trials with images; `already` is for a picture that was shown before the page was reloaded, and is not shown
 * again. */
export const OF_IMAGES = {
  how: `<p>Look at the cross. A picture will appear there, once and very briefly. Then choose what it showed. If you
    are not sure, please guess. Many of the pictures look strange.</p>`,
  ready: "Ready?",
  get question() {
    return noun === "category" ? "What was it?" : `Which ${noun} was it?`;
  },
  get already() {
    return `You have already seen this picture. ${this.question}`;
  },
  hint: "Choose an answer, or type its first letters and press Enter.",
  small: "The picture does not fit into this window. Please make the window larger, turn the device, or zoom out.",
};

/** Texts of trials with sounds. */
export const OF_SOUNDS = {
  get how() {
    const place = noun === "word" ? "was in the middle of the sound" : "you heard";
    return `<p>You will hear a sound once. Then type the ${noun} that ${place}: start typing, and choose from the list.
      If you are not sure, please guess. Many of the sounds are strange.</p>`;
  },
  get question() {
    return `Which ${noun} did you hear?`;
  },
  get already() {
    return `You have already heard this sound. Which ${noun} was it?`;
  },
  get hint() {
    return `Start typing, and choose a ${noun} from the list, or press Enter when the button shows your ${noun}.`;
  },
  get label() {
    return `The ${noun}`;
  },
};

/** The reasons for ending the experiment early. */
export const STOPPED = {
  consent: "You have chosen not to take part. The experiment ends here.",
  headphones: "This experiment needs headphones, and it seems that you are not wearing any. Thank you for your time.",
  practice: "The experiment ends here, because too few practice answers were correct. Thank you for your time.",
};

export const END = {
  thanks: "Thank you",
  early: "The end",
  failed: "Something went wrong",
  closed: "The experiment is over",
  enough: "There are enough answers. Thank you for your interest.",
  needsServer: "This experiment chooses its stimuli from the answers, and works only on its own server (make experiment).",
  before: "You have taken part",
  once: "Each person takes part once. Thank you for your time.",
  reload: "Please reload the page to continue where you stopped.",
  saved: "Your answers are saved. You can close this page now.",
  send: "Please save your answers, and send the file to the person who invited you.",
};
