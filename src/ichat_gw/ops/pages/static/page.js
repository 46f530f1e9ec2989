// Keeps the page that is shown up to date, and posts what has a button. Everything else works without it.
//
// The server says what has changed (server-sent events); then the page is fetched again as a whole and what
// is different is changed in place, so that focus, scroll and opened messages stay as they are.

const LEAST_PAUSE = 1000; // ms between two fetches

const main = document.querySelector("main");
const note = document.getElementById("live");

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset?.key || "" : "";
}

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

// Make `old` what `fresh` is, changing as little as possible. `fresh` comes from a DOMParser and has run nothing.
function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== "INPUT") {
    for (const { name } of [...old.attributes]) {
      const opened = old.nodeName === "DETAILS" && name === "open";
      if (!fresh.hasAttribute(name) && !opened) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }
  const keyed = new Map();
  for (const child of old.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = keyed.get(keyOf(child));
    const found = known && alike(known, child) ? known : place && !keyOf(place) && alike(place, child) ? place : null;
    if (found === null) {
      old.insertBefore(document.importNode(child, true), place);
      continue;
    }
    if (found === place) place = place.nextSibling;
    else old.insertBefore(found, place);
    morph(found, child);
  }
  while (place !== null) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function say(words, works) {
  note.hidden = false;
  note.classList.toggle("off", !works);
  if (note.textContent !== words) note.textContent = words;
}

let timer = null;
let busy = false;
let again = false;
let last = 0;

async function refresh() {
  timer = null;
  if (document.hidden || busy) {
    again = true;
    return;
  }
  busy = true;
  again = false;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const content = fresh.querySelector("main");
      if (content !== null) {
        morph(main, content);
        document.title = fresh.title;
        reveal();
      }
    }
  } catch {
    // The gateway is away; the event source says so, and tries again.
  } finally {
    busy = false;
    if (again) soon();
  }
}

function soon() {
  if (timer === null) timer = setTimeout(refresh, Math.max(0, last + LEAST_PAUSE - Date.now()));
}

function listen() {
  let fetched = false;
  const events = new EventSource("/api/v1/events");
  events.onopen = () => {
    say("live", true);
    if (fetched) soon(); // What happened while we were away.
    fetched = true;
  };
  events.onerror = () => say("not connected", false);
  for (const name of main.dataset.live.split(" ")) if (name) events.addEventListener(name, soon);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && again) soon();
  });
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
}

// --- buttons --------------------------------------------------------------------------------------------------

function reveal() {
  for (const button of document.querySelectorAll("button[data-post]")) button.hidden = false;
  for (const words of document.querySelectorAll(".without-script")) words.hidden = true;
}

function sentences(reply) {
  if (reply.error) return [reply.error, reply.remedy].filter(Boolean).join("; ");
  const lines = reply.problems.map((line) => `Nothing was changed: ${line}`);
  if (reply.done) {
    const names = (changes) => changes.map((change) => change.name).join(", ");
    lines.push(reply.changed.length ? `In force now: ${names(reply.changed)}.` : "Nothing has changed.");
    if (reply.needs_restart.length) lines.push(`After a restart: ${names(reply.needs_restart)}.`);
  }
  return [...lines, ...reply.warnings.map((line) => `Warning: ${line}`)].join("\n");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-post]");
  if (button === null) return;
  const reply = button.parentElement.querySelector(".reply");
  button.disabled = true;
  try {
    const answer = await fetch(button.dataset.post, { method: "POST", headers: { "X-Ichat-Gw": "page" } });
    const words = sentences(await answer.json());
    await refresh();
    reply.textContent = words;
  } catch {
    reply.textContent = "The gateway does not answer.";
  } finally {
    button.disabled = false;
    button.focus();
  }
});

reveal();
if (main.dataset.live && "EventSource" in window) listen();
