// The form of a model, as the server describes it, and the body of the request that its fields make.

import { counted, element } from "./elements.js";

const ROWS = 4;

// A form with its example filled in.
//
// `changed` is called at every change, `submitted` when the user asks for an answer.
export class AskingForm {
  constructor(form, { changed, submitted, stopped }) {
    this.form = form;
    this.texts = form.inputs.map(input => textField(input, form.lines));
    this.options = form.options.map(optionField);
    this.streams = form.streams ? checkbox("stream", "Show words as they come", true) : null;
    this.run = element("button", { type: "submit", class: "main" }, "Run");
    this.stop = element("button", { type: "button", class: "stop", disabled: true, click: stopped }, "Stop");
    this.element = element("form", { novalidate: false }, ...this.parts());
    this.fill();
    this.element.addEventListener("input", changed);
    this.element.addEventListener("submit", event => {
      event.preventDefault();
      if (!this.run.disabled) submitted();
    });
    this.element.addEventListener("keydown", event => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.element.requestSubmit(this.run);
    });
    this.again.addEventListener("click", () => {
      this.fill();
      changed();
    });
  }

  parts() {
    const given = Object.keys(exampleOptions(this.form));
    const open = given.map(name => this.options.find(option => option.name === name));
    const folded = this.options.filter(option => !given.includes(option.name));
    this.again = element("button", { type: "button" }, "Example");
    const more = element(
      "details",
      { class: "options" },
      element("summary", {}, counted(folded.length, "more option", "more options")),
      element("div", { class: "grid" }, folded.map(option => option.element)),
    );
    return [
      ...this.texts.map(text => text.element),
      element("div", { class: "grid" }, open.map(option => option.element)),
      ...(folded.length ? [more] : []),
      ...(this.streams ? [this.streams.element] : []),
      element("p", { class: "buttons" }, this.run, this.stop, this.again, element("span", { class: "help" }, "Ctrl+Enter runs")),
    ];
  }

  // Put the example into the fields.
  fill() {
    this.texts.forEach((text, i) => text.write(this.form.inputs[i].example));
    for (const option of this.options) option.write(exampleOptions(this.form)[option.name] ?? option.default);
  }

  // The request: its options are those that differ from what holds without them.
  body() {
    const read = this.options.map(option => [option, option.read()]).filter(([option, value]) => !same(value, option.default));
    const options = Object.fromEntries(read.map(([option, value]) => [option.name, value]));
    if (searches(this.form)) return { query: this.input(), ...options };
    const made = { input: this.input(), ...(read.length ? { options } : {}) };
    if (this.streams?.control.checked) made.stream = true;
    return made;
  }

  input() {
    const row = Object.fromEntries(this.texts.map(text => [text.name, text.read()]));
    const [only] = this.texts;
    if (this.form.lines) return only.read().split("\n").filter(line => line.trim());
    return this.texts.length === 1 ? only.read() : row;
  }

  busy(working) {
    this.run.disabled = working;
    this.stop.disabled = !working;
  }
}

// A search has its options beside the query, everything else has them apart from the input.
const searches = form => form.shows === "results";

function exampleOptions(form) {
  const { query, ...beside } = form.example;
  return searches(form) ? beside : (form.example.options ?? {});
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function textField({ name, label, long }, lines) {
  const control = element("textarea", { id: `input-${name}`, rows: String(long ? ROWS : 1), class: long ? "long" : "", dir: "auto", required: true });
  const hint = lines ? element("span", { class: "help" }, " one a line") : undefined;
  const made = element("div", { class: "field" }, element("label", { for: control.id }, label, hint), control);
  return { name, element: made, read: () => control.value, write: value => (control.value = value) };
}

function checkbox(name, label, checked) {
  const control = element("input", { type: "checkbox", id: `option-${name}` });
  control.checked = checked;
  return { control, element: element("div", { class: "field switch" }, control, element("label", { for: control.id }, label)) };
}

// A field for an option: {name, default, element, read, write}.
function optionField(option) {
  const id = `option-${option.name}`;
  const made = controls[controlOf(option)](option, id);
  const help = element("p", { class: "help", id: `${id}-help` }, option.help);
  const label = element("label", { for: id }, option.name);
  const parts = made.group ? [made.control] : made.control.type === "checkbox" ? [made.control, label] : [label, made.control];
  (made.group ?? made.control).setAttribute("aria-describedby", help.id);
  const field = element("div", { class: made.control.type === "checkbox" ? "field switch" : "field" }, ...parts, help);
  return { name: option.name, default: option.default, element: field, read: made.read, write: made.write };
}

function controlOf({ type, default: usual, choices }) {
  if (type === "boolean") return usual === null ? "choice" : "boolean";
  if (type === "list") return choices ? "several" : "list";
  return type === "integer" || type === "number" ? "number" : type;
}

const controls = {
  boolean(option, id) {
    const control = element("input", { type: "checkbox", id });
    return { control, read: () => control.checked, write: value => (control.checked = value) };
  },
  number(option, id) {
    const step = option.type === "integer" ? "1" : "any";
    const bounds = { min: option.minimum ?? option.above, max: option.maximum ?? option.below };
    const control = element("input", { type: "number", id, step, ...bounds, placeholder: option.usual });
    const read = () => (control.value === "" ? option.default : Number(control.value));
    return { control, read, write: value => (control.value = value ?? "") };
  },
  string(option, id) {
    const control = element("input", { type: "text", id, placeholder: option.usual ?? option.default ?? undefined, dir: "auto" });
    return { control, read: () => (control.value === "" ? option.default : control.value), write: value => (control.value = value ?? "") };
  },
  choice(option, id) {
    const choices = option.choices ?? [true, false];
    const values = option.default === null ? [null, ...choices] : choices;
    const worded = value => (value === null ? (option.usual ?? "") : { true: "yes", false: "no" }[value] ?? value);
    const control = element("select", { id }, values.map((value, i) => element("option", { value: String(i) }, worded(value))));
    return { control, read: () => values[control.value], write: value => (control.value = String(values.indexOf(value))) };
  },
  list(option, id) {
    const control = element("textarea", { id, rows: "3", placeholder: option.usual ?? "one a line", dir: "auto" });
    const read = () => control.value.split("\n").filter(line => line !== "");
    return { control, read, write: value => (control.value = value.join("\n")) };
  },
  several(option, id) {
    const boxes = option.choices.map(choice => checkbox(`${option.name}-${choice}`, choice, false));
    const legend = element("legend", {}, option.name, element("span", { class: "help" }, ` ${option.usual ?? ""}`));
    const group = element("fieldset", { id }, legend, boxes.map(box => box.element));
    const read = () => option.choices.filter((choice, i) => boxes[i].control.checked);
    return { control: group, group, read, write: value => boxes.forEach((box, i) => (box.control.checked = value.includes(option.choices[i]))) };
  },
};
