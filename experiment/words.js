/** What participants read between the questions, which stand in the plugins that ask them; consent is its own file. */

export const HOW = {
  vision: `<p>Look at the cross. A picture appears there, very briefly. Then choose what was in it, also if you have
    to guess. Many pictures are strange.</p>`,
  audio: `<p>You hear a sound, once. Then type which word was in it, also if you have to guess: begin to type, and take
    a word from the list. Many sounds are strange.</p>`,
};

export const PAGES = {
  welcomeBack: "<h1>Welcome back</h1><p>You have begun already. Go on where you stopped?</p>",
  volume: `<h1>Headphones</h1><p>Please put on headphones. Play the noise, and set the volume so that it is well heard
    and not unpleasant.</p>`,
  check: "<h1>A check</h1><p>You hear three tones, one after the other. Then say which was the quietest.</p>",
  practice: (how) => `<h1>Practice</h1>${how}`,
  inEarnest: (how, number) => `<h1>Now in earnest</h1>${how}<p>There are ${number}.</p>`,
};

export const BUTTONS = {
  consent: ["I agree to take part", "I do not"],
  goOn: "Go on",
  somebodyElse: "I am somebody else",
  noise: "Play the noise",
  tones: "Play the tones",
  begin: "Begin",
  save: "Save my answers",
};

/** Why it ended early. */
export const STOPPED = {
  consent: "You have chosen not to take part. Nothing more is asked of you.",
  headphones: "This experiment needs headphones, and it seems that there are none. Thank you for your time.",
  practice: "The experiment ends here: too few of the examples were recognized. Thank you for your time.",
};

export const END = {
  thanks: "Thank you",
  early: "The end",
  failed: "Something went wrong",
  reload: "Please reload the page: it goes on where you stopped.",
  saved: "Your answers are saved. You may close this page.",
  send: "Please save your answers, and send the file to whoever asked you.",
};
