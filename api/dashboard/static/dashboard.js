// What scripts add: parts of the page that renew themselves, countdowns, keys. Every act works without them.
"use strict";

const LOOK_EVERY = 15000;
const ANYWAY = 60000;
const APART = 3000;
const KINDS = ["decision", "approval", "order", "fill", "breaker", "trading", "account", "document", "job", "backtest"];
const page = document.body;
const lost = document.getElementById("lost");
let since = null;

// Parts that renew themselves

let wanted = new Set();
let planned = 0;
let renewed = 0;

function parts(kind) {
  return [...document.querySelectorAll("[data-live]")].filter((part) => !kind || part.dataset.live.split(" ").includes(kind));
}

function plan(kind) {
  for (const part of parts(kind)) wanted.add(part.id);
  if (wanted.size && !planned) planned = setTimeout(renew, Math.max(400, renewed + APART - Date.now()));
}

async function renew() {
  planned = 0;
  renewed = Date.now();
  const ids = [...wanted];
  wanted = new Set();
  const blocks = ids.map((id) => id.replaceAll("-", "_")).join(",");
  const address = new URL(location.href);
  address.searchParams.delete("done");
  address.searchParams.set("fragment", blocks);
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") return location.assign(answer.url);
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ids) replace(document.getElementById(id), fresh.getElementById(id));
    if (!streaming && since) found();
    countdowns();
  } catch {
    if (!streaming) miss();
  }
}

function replace(old, fresh) {
  if (!old || !fresh || old.isEqualNode(fresh)) return;
  const typing = old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  if (typing || [...old.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue)) return;
  const open = [...old.querySelectorAll("details")].map((each) => each.open);
  [...fresh.querySelectorAll("details")].forEach((each, index) => { if (index < open.length) each.open = open[index]; });
  const focused = old.contains(document.activeElement) ? place(old, document.activeElement) : null;
  const scrolled = [...old.querySelectorAll(".scroll, .text")].map((each) => [each.scrollLeft, each.scrollTop]);
  const taken = document.importNode(fresh, true);
  old.replaceWith(taken);
  [...taken.querySelectorAll(".scroll, .text")].forEach((each, index) => { if (scrolled[index]) [each.scrollLeft, each.scrollTop] = scrolled[index]; });
  if (focused !== null) taken.querySelectorAll("a, button, summary, [tabindex]")[focused]?.focus({ preventScroll: true });
}

function place(part, element) {
  const index = [...part.querySelectorAll("a, button, summary, [tabindex]")].indexOf(element);
  return index < 0 ? null : index;
}

// The stream, and looking every so often where there is none

let streaming = false;
let looking = 0;

function follow() {
  if (!page.dataset.events || !window.EventSource) return look();
  const stream = new EventSource(page.dataset.events);
  stream.onopen = () => { streaming = true; clearInterval(looking); looking = 0; found(); };
  stream.onerror = () => {
    streaming = false;
    if (stream.readyState === EventSource.CLOSED) return look();
    miss();
    look();
  };
  for (const kind of KINDS) stream.addEventListener(kind, () => plan(kind));
  stream.addEventListener("problem", () => plan(""));
  addEventListener("pagehide", () => stream.close());
}

function look() {
  if (!looking) looking = setInterval(() => { if (!document.hidden) plan(""); }, LOOK_EVERY);
}

function miss() {
  if (since) return;
  since = new Date();
  const time = `${String(since.getHours()).padStart(2, "0")}:${String(since.getMinutes()).padStart(2, "0")}`;
  if (document.getElementById("lost")) document.getElementById("lost").textContent = `not live: stale since ${time}`;
  for (const part of parts("")) part.classList.add("stale-part");
}

function found() {
  const missed = since !== null;
  since = null;
  if (document.getElementById("lost")) document.getElementById("lost").textContent = "";
  for (const part of parts("")) part.classList.remove("stale-part");
  if (missed) plan("");
}

// Countdowns

function countdowns() {
  for (const each of document.querySelectorAll("[data-countdown]")) {
    const left = Math.round((Date.parse(each.dataset.countdown) - Date.now()) / 1000);
    each.textContent = left <= 0 ? "no time: it is over" : told(left);
    each.classList.toggle("soon", left < 900);
  }
}

function told(seconds) {
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

// Keys: g and a letter goes to a page

let leading = 0;

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [contenteditable]")) return;
  const dialog = document.getElementById("keys");
  if (event.key === "?" && dialog) { event.preventDefault(); return dialog.open ? dialog.close() : dialog.showModal(); }
  if (event.key === "p") { event.preventDefault(); return document.querySelector(".pause input[name=reason]")?.focus(); }
  if (event.key === "/") { event.preventDefault(); return document.querySelector("main .filters input, main input[type=search]")?.focus(); }
  if (event.key === "g") { leading = Date.now(); return; }
  if (Date.now() - leading < 1500) document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)?.click();
  leading = 0;
}

// Small things

function once(event) {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => { delete form.dataset.sent; }, 5000);
}

function reachable() {
  for (const each of document.querySelectorAll(".scroll:not([tabindex])")) if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
}

function start() {
  reachable();
  const strip = document.getElementById("nav"), current = strip?.querySelector("[aria-current]");
  if (current) strip.scrollLeft = current.offsetLeft - (strip.clientWidth - current.offsetWidth) / 2;
  document.addEventListener("keydown", pressed);
  document.addEventListener("submit", once);
  document.querySelector("[data-keys]")?.addEventListener("click", () => document.getElementById("keys").showModal());
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  const link = document.querySelector("form[data-submit-now]");
  if (link) link.requestSubmit();
  countdowns();
  setInterval(countdowns, 1000);
  const again = document.querySelector("[data-again]");
  if (again) setInterval(() => { if (document.querySelector("[data-again]")) plan("job"); }, 1000 * Number(again.dataset.again));
  if (document.querySelector("[data-live]")) follow();
  setInterval(() => { if (!document.hidden) plan(""); }, ANYWAY);
}

start();
