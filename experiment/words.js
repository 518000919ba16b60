/** What participants read between the questions, which stand in the plugins that ask them; consent is its own file. */

export const HOW = {
  vision: `<p>Look at the cross. A picture appears there, once and very briefly. Then choose what was in it, also if you
    have to guess. Many pictures are strange.</p>`,
  audio: `<p>You hear a sound, once. Then type which word was in the middle of it, also if you have to guess: begin to
    type, and take a word from the list. Many sounds are strange.</p>`,
};

export const PAGES = {
  welcomeBack: "<h1>Welcome back</h1><p>You have begun already. Go on where you stopped?</p>",
  volume: `<h1>Headphones</h1><p>Please put on headphones. Play the noise, and set the volume so that it is well heard
    and not unpleasant.</p>`,
  check: "<h1>A check</h1><p>You hear three tones, one after the other. Then say which was the quietest.</p>",
  feedback: (how) => `<h1>Examples</h1>${how}<p>For a start you are told what was right.</p>`,
  practice: (how, told) =>
    `<h1>Practice</h1>${how}${told ? "<p>From now on you are not told what was right.</p>" : ""}`,
  pause: (quarter) => `<h1>A pause</h1><p>${["A quarter", "Half", "Three quarters"][quarter - 1]} of it is done. Stretch,
    and go on when you like.</p>`,
  inEarnest: (how, number) => `<h1>Now in earnest</h1>${how}<p>There are ${number}.</p>`,
};

/** Words as HTML. */
function escaped(words) {
  return Object.assign(document.createElement("p"), { textContent: words }).innerHTML;
}

/** What is said after an answer in the examples. */
export function toldAfter(answer, right, modality, file, icon) {
  const heading = `<h1>${answer === right ? "Right" : "Not quite"}</h1>`;
  const seen = modality === "vision" ? `<div class="seen"><img src="${file}" alt="the picture"></div>` : "";
  const drawn = icon ? `<div class="seen small"><img src="${icon}" alt=""></div>` : "";
  return `${heading}${seen}<p>It was “${escaped(right)}”; you answered “${escaped(answer)}”.</p>${drawn}`;
}

export const BUTTONS = {
  consent: ["I agree to take part", "I do not"],
  goOn: "Go on",
  somebodyElse: "I am somebody else",
  noise: "Play the noise",
  tones: "Play the tones",
  begin: "Begin",
  show: "Show the picture",
  play: "Play the sound",
  save: "Save my answers",
};

/** What is asked, of somebody who was shown a stimulus before the page was reloaded, too. */
export const ASKED = {
  vision: { ready: "Ready?", question: "What was it?", already: "You have seen this picture already. What was it?" },
  audio: {
    question: "Which word did you hear?",
    already: "You have heard this sound already. Which word was it?",
    hint: "Type, and take a word from the list.",
  },
};

/** Why it ended early. */
export const STOPPED = {
  consent: "You have chosen not to take part. Nothing more is asked of you.",
  headphones: "This experiment needs headphones, and it seems that there are none. Thank you for your time.",
  practice: "The experiment ends here: too little of the practice was recognized. Thank you for your time.",
};

export const END = {
  thanks: "Thank you",
  early: "The end",
  failed: "Something went wrong",
  reload: "Please reload the page: it goes on where you stopped.",
  saved: "Your answers are saved. You may close this page.",
  send: "Please save your answers, and send the file to whoever asked you.",
};
