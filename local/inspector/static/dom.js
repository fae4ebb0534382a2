/** Elements from data. Text becomes text nodes: nothing here, and nothing in the page, reads text as HTML. */

function assign(element, name, value) {
  if (name.startsWith("on")) {
    element.addEventListener(name.slice(2), value);
  } else if (name === "value" || name === "checked" || name === "hidden" || name === "disabled" || name === "open") {
    element[name] = value;
  } else if (value === true) {
    element.setAttribute(name, "");
  } else if (value !== false && value !== null && value !== undefined) {
    element.setAttribute(name, String(value));
  }
}

/**
 * Makes an element.
 * @param {string} tag its name
 * @param {Object<string, *>} attributes attributes and properties; names that begin with "on" are listeners
 * @param {...(Node|string|number|null|Array)} children null and undefined are left out
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  for (const [name, value] of Object.entries(attributes)) assign(element, name, value);
  return element;
}

/** Makes a button. */
export function button(label, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, label);
}

/** Makes a select of [value, label] pairs. */
export function select(options, attributes = {}) {
  const made = h("select", {}, options.map(([value, label]) => h("option", { value }, label)));
  for (const [name, value] of Object.entries(attributes)) assign(made, name, value);
  return made;
}

/** Makes the heading of a view, which takes the focus when the view is opened, with its actions at the right. */
export function viewHead(title, lead, ...actions) {
  return h(
    "header",
    { class: "view-head" },
    h("div", {}, h("h1", { tabindex: "-1" }, title), lead ? h("p", { class: "lead" }, lead) : null),
    actions.length ? h("div", { class: "actions" }, actions) : null,
  );
}

/** Makes what is shown where there is no data yet. */
export function emptyState(title, text, ...actions) {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), actions.length ? h("div", { class: "actions" }, actions) : null);
}

let announceTimer = 0;

/** Tells users of screen readers. Of several in quick succession they hear the last. */
export function announce(text) {
  clearTimeout(announceTimer);
  announceTimer = setTimeout(() => document.getElementById("announcer").replaceChildren(text), 150);
}

/** Lets the arrow keys, Home and End move the focus among the items of a container; Tab enters at the current one. */
export function roving(container, selector, { onmove = () => {} } = {}) {
  container.addEventListener("keydown", (event) => {
    const items = [...container.querySelectorAll(selector)].filter((item) => !item.closest("[hidden]"));
    const at = items.indexOf(document.activeElement);
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 };
    const next = items[steps[event.key]];
    if (!next) return;
    event.preventDefault();
    tabStop(items, next);
    next.focus();
    onmove(next);
  });
}

/** Makes one of the items the one that Tab reaches. */
export function tabStop(items, current) {
  for (const item of items) item.tabIndex = item === current ? 0 : -1;
}

/** Calls a function once things have been quiet for so long. */
export function debounced(milliseconds, call) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...values), milliseconds);
  };
}
