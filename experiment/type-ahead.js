/** Answers from the keyboard: typed letters move the focus to the first category that begins with them; Enter answers. */

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** The names that begin with some letters, without regard to accents and capitals. */
export const beginning = (names, letters) => names.filter((name) => plain(name).startsWith(plain(letters)));

/** Let letters choose among buttons with `data-answer`; `typed` shows the letters. Return a function that ends this. */
export function typeAhead(buttons, typed) {
  let letters = "";
  let isSpaceOfName = false; // the space is a letter of a name, and must not press the button
  const names = buttons.map((button) => button.dataset.answer);
  const change = (to) => {
    letters = to;
    const found = to ? beginning(names, to) : [];
    for (const button of buttons) button.classList.toggle("match", found.includes(button.dataset.answer));
    buttons.find((button) => button.dataset.answer === found[0])?.focus();
    typed.textContent = to ? `${to} …` : "";
  };
  const down = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") return change("");
    if (event.key === "Backspace") return change(letters.slice(0, -1));
    if (event.key.length !== 1 || (event.key === " " && !letters)) return;
    // If no name begins with all letters, the last letter begins a new search.
    const next = [letters + event.key, event.key].find((text) => text.trim() && beginning(names, text).length);
    isSpaceOfName = event.key === " " && Boolean(next);
    if (next) change(next);
    if (isSpaceOfName) event.preventDefault();
  };
  const up = (event) => {
    if (event.key === " " && isSpaceOfName) event.preventDefault(); // Firefox presses buttons when the key is released
    isSpaceOfName = false;
  };
  document.addEventListener("keydown", down);
  document.addEventListener("keyup", up, true);
  return () => {
    document.removeEventListener("keydown", down);
    document.removeEventListener("keyup", up, true);
  };
}
