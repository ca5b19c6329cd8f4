// Elements made of names, attributes and children. A child that is a string becomes text, and is never read as HTML.

const SVG = "http://www.w3.org/2000/svg";

export const find = id => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  return furnished(document.createElement(name), attributes, children);
}

export function drawing(name, attributes = {}, ...children) {
  return furnished(document.createElementNS(SVG, name), attributes, children);
}

function furnished(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("--")) made.style.setProperty(key, value);
    else if (typeof value === "function") made.addEventListener(key, value);
    else if (typeof value === "boolean") made.toggleAttribute(key, value);
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter(child => child !== undefined));
  return made;
}

export const number = (value, digits = 3) => value.toLocaleString("en", { maximumFractionDigits: digits });
export const counted = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
export const milliseconds = value => `${number(value, value < 10 ? 1 : 0)} ms`;
