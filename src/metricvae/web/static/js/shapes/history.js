// Undo and redo of a value that is replaced, never changed.

export class History {
  constructor(value, onchange = () => {}) {
    this.value = value;
    this.past = [];
    this.future = [];
    this.onchange = onchange;
  }

  push(value) {
    this.past.push(this.value);
    if (this.past.length > 100) this.past.shift();
    this.future = [];
    this.value = value;
    this.onchange(this);
  }

  // The value, without a way back.
  begin(value) {
    Object.assign(this, { value, past: [], future: [] });
    this.onchange(this);
  }

  undo() { this.#step(this.past, this.future); }
  redo() { this.#step(this.future, this.past); }

  #step(from, to) {
    if (!from.length) return;
    to.push(this.value);
    this.value = from.pop();
    this.onchange(this);
  }
}
