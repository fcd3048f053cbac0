"use strict";
// Everything is made with textContent: what a container is called is a text, whatever it says.
const at = (id) => document.getElementById(id);
const make = (kind, text, name) => {
  const made = document.createElement(kind);
  if (text) made.textContent = text;
  if (name) made.className = name;
  return made;
};
let last = null, waiting = null, paused = false;

const good = { running: "good", up: "good", healthy: "good", pass: "good", unhealthy: "bad", dead: "bad", fail: "bad", error: "bad" };
const state = (word, more) => make("span", word + (more || ""), "state " + (good[word] || "wait"));

function card(title, words, lines) {
  const item = make("li");
  const heading = make("h3", title);
  item.append(heading);
  const first = make("p");
  words.forEach((word, number) => first.append(number ? ", " : "", word));
  if (words.length) item.append(first);
  for (const line of lines.filter(Boolean)) item.append(make("p", line));
  return item;
}

const several = (world) => world.hosts.filter((host) => host.engine === "running").length > 1;
const cards = {
  containers: (one, world) => card(one.name, [
    state(one.state, one.exit ? " with " + one.exit : ""), ...(one.health ? [state(one.health)] : []), ...(several(world) ? ["on " + one.host] : []),
  ], [one.image, one.networks.map((end) => end.name + (end.address ? " " + end.address : "")).join(", "), one.ports.join(", ")]),
  hosts: (one) => card(one.name, [state(one.up ? "up" : "starting")], [one.address, one.engine && "engine: " + (one.engine === "waiting" ? "not used yet" : one.engine)]),
  networks: (one, world) => card(one.name, [one.driver, ...(one.internal ? ["internal"] : []), ...(several(world) ? ["on " + one.host] : [])], [one.subnet]),
  volumes: (one, world) => card(one.name, [one.driver, ...(several(world) ? ["on " + one.host] : [])], []),
};
const key = (one) => (one.host || "") + "/" + one.name;

function list(kind, world, before) {
  const there = new Set((before ? before[kind] : world[kind]).map(key));
  const items = world[kind].map((one) => {
    const item = cards[kind](one, world);
    if (!there.has(key(one))) item.classList.add("new");
    return item;
  });
  if (!items.length) items.push(make("li", "None."));
  at(kind).replaceChildren(...items);
  at(kind + "-count").textContent = world[kind].length;
}

function step(world) {
  const now = world.step;
  if (!now) return at("step").replaceChildren(make("p", "None."));
  const where = make("p", (now.unit_title || now.unit) + (now.number ? ", step " + now.number + " of " + now.of : ""));
  const title = make("h3", now.title || now.step);
  const shown = [title, where];
  if (world.check) {
    const check = make("p", "Last check: ");
    check.append(state(world.check));
    shown.push(check);
  }
  at("step").replaceChildren(...shown);
}

function events(world) {
  const which = at("which").value;
  const shown = world.events.filter((event) => !which || event.actor === which || (which === "course" && event.actor === "check"));
  const items = shown.slice().reverse().map((event) => {
    const item = make("li");
    item.append(make("span", event.seq + " " + [event.host, event.actor, event.kind].filter(Boolean).join(" ") + " "), event.subject);
    return item;
  });
  if (!items.length) items.push(make("li", "None yet."));
  const top = at("events").scrollTop;
  at("events").replaceChildren(...items);
  at("events").scrollTop = top;
}

// For a screen reader: what has come, gone and changed, in one sentence.
function changes(world, before) {
  const said = [];
  for (const kind of ["hosts", "containers", "networks", "volumes"]) {
    const was = new Map(before[kind].map((one) => [key(one), one])), one = kind.slice(0, -1);
    for (const now of world[kind]) {
      const old = was.get(key(now));
      was.delete(key(now));
      if (!old) said.push(one + " " + now.name + (now.state ? " " + now.state : " is there"));
      else if (now.state !== old.state || now.health !== old.health) said.push(one + " " + now.name + " " + now.state + (now.health ? ", " + now.health : ""));
    }
    for (const gone of was.values()) said.push(one + " " + gone.name + " is gone");
  }
  if (world.step && JSON.stringify(world.step) !== JSON.stringify(before.step)) said.push("step: " + (world.step.title || world.step.step));
  return said.join("; ");
}

function show(world) {
  const before = last;
  last = world;
  at("bottle").textContent = world.bottle;
  document.title = world.bottle + " - Bottleship";
  step(world);
  for (const kind of Object.keys(cards)) list(kind, world, before);
  events(world);
  const said = before ? changes(world, before) : "";
  if (said) at("said").textContent = said;
}

function link(word, text) {
  const shown = paused ? "paused" : text;
  if (at("link").textContent !== shown) at("link").textContent = shown;
  at("link").dataset.state = paused ? "paused" : word;
}

const stream = new EventSource("events");
let live = ["connecting", "connecting"];
stream.onopen = () => link(...(live = ["live", "live"]));
stream.onerror = () => link(...(live = ["lost", "the bottle has ended, or this page's server"]));
stream.onmessage = (message) => {
  const world = JSON.parse(message.data);
  if (!world.hosts) return;
  if (paused) waiting = world;
  else show(world);
};
at("which").onchange = () => last && events(last);
at("pause").onclick = () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  link(...live);
  if (!paused && waiting) {
    show(waiting);
    waiting = null;
  }
};
