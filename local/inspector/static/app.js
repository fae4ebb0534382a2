/** Puts the page together: routes, navigation, theme, keyboard, and the views, each made when it is first opened. */

import { api } from "./api.js";
import { showBanners } from "./banners.js";
import { connectionText, showCloud } from "./cloud.js";
import { Deployment } from "./deployment.js";
import { roving, tabStop, announce } from "./dom.js";
import { count } from "./format.js";
import { listenForKeys, showHelp } from "./keyboard.js";
import { Live } from "./live.js";
import { composeView } from "./views/compose.js";
import { faultsView } from "./views/faults.js";
import { lettersView } from "./views/letters.js";
import { registrationView } from "./views/registration.js";
import { traceView } from "./views/trace.js";

const VIEWS = {
  compose: ["Compose", composeView],
  trace: ["Trace", traceView],
  faults: ["Break it", faultsView],
  registration: ["Registration", registrationView],
  letters: ["Dead letters", lettersView],
};

const main = document.getElementById("main");
const links = [...document.querySelectorAll("#views a")];
const live = new Live();
const deployment = new Deployment(live);
const made = new Map();
let current = null;

/** Opens a view, or another item of the view that is open. */
function route() {
  const [, name, item = ""] = location.hash.split("/");
  const known = VIEWS[name] ? name : "compose";
  const isOther = known !== current;
  current = known;
  if (!made.has(known)) made.set(known, VIEWS[known][1]({ api, live, deployment, go }));
  const view = made.get(known);
  if (isOther) open(known, view.element);
  view.show(decoded(item));
}

/** Returns what an address means; one that somebody has mistyped means nothing. */
function decoded(item) {
  try {
    return decodeURIComponent(item);
  } catch {
    return "";
  }
}

function open(name, element) {
  const isFirst = !main.hasChildNodes();
  main.replaceChildren(element);
  main.scrollTop = 0;
  markCurrent(name);
  document.title = `${VIEWS[name][0]} · Inspector`;
  if (!isFirst) element.querySelector("h1").focus({ preventScroll: true });
}

function markCurrent(name) {
  for (const link of links) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  tabStop(links, links.find((link) => link.dataset.view === name));
}

/** Goes to a view, and to one of its items; with `isStep` the browser's history gets no entry of it. */
function go(name, item = "", { isStep = false } = {}) {
  const hash = `#/${name}${item ? `/${encodeURIComponent(item)}` : ""}`;
  if (!isStep) location.hash = hash;
  else if (hash !== location.hash) {
    history.replaceState(null, "", hash);
    route();
  }
}

function setUpTheme() {
  const chosen = document.documentElement.dataset.theme;
  for (const input of document.querySelectorAll('input[name="theme"]')) {
    input.checked = input.value === chosen;
    input.addEventListener("change", () => {
      document.documentElement.dataset.theme = input.value;
      localStorage.setItem("theme", input.value);
    });
  }
}

function setUpConnection() {
  const line = document.getElementById("connection");
  const show = () => {
    line.dataset.state = live.connection;
    line.querySelector(".text").replaceChildren(connectionText(live.connection));
  };
  live.addEventListener("connection", show);
  show();
}

function announceAnswers({ detail: { fresh } }) {
  if (fresh.length === 1) announce(`New trace: ${fresh[0].title}`);
  if (fresh.length > 1) announce(count(fresh.length, "new trace"));
}

function setUpOverview() {
  deployment.addEventListener("changed", () => {
    const { partner, module } = deployment.overview;
    document.getElementById("partner").replaceChildren(partner);
    document.getElementById("module").replaceChildren(["Version", module.version].filter(Boolean).join(" "));
  });
  document.getElementById("cloud-button").addEventListener("click", () => deployment.overview && showCloud(deployment.overview));
}

function start() {
  setUpTheme();
  setUpConnection();
  roving(document.getElementById("views"), "a");
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  document.getElementById("help-button").addEventListener("click", showHelp);
  listenForKeys({ views: Object.keys(VIEWS), go });
  window.addEventListener("hashchange", route);
  live.addEventListener("traces", announceAnswers);
  setUpOverview();
  showBanners(document.getElementById("banners"), { api, live, deployment });
  live.start();
  deployment.start();
  route();
}

start();
