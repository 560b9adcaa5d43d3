"use strict";
// Pages about the supervision itself. Loaded before app.js, whose helpers these functions call.

const share = (part) => `${part > 0 && part < 0.01 ? "<1" : Math.round(100 * part)} %`;

/** A busy share, and a wake-up that comes late, of these sizes are marked. */
const BUSY_SHARE = 0.9;
const LATE_NS = 50e6;

const text = (...children) => el("td", { class: "path" }, ...children);
const textHead = (name) => el("th", { scope: "col", class: "text" }, name);

function drawArbiters({ arbiters, tree }) {
  const rows = [...arbiters].sort((a, b) => b.busy - a.busy);
  const busiest = (of) => of
    ? [text(el("a", { href: `#/actor/${encodeURIComponent(of.actor)}` }, el("code", {}, of.actor)), ` ${share(of.share)}`), text(el("code", {}, of.message), ` ${share(of.message_share)}`)]
    : [text("–"), text("–")];
  show("arbiters",
    el("p", {}, el("a", { href: "#/" }, "← all actors")),
    el("h2", { tabindex: "-1" }, "Arbiters and thread pools"),
    el("p", { class: "hint" }, "An arbiter is a thread with the actors that run on it. Busy: the share of the last second in which it did not sleep. Lag: the time from a wake-up to the code that it was for, measured once a second. ",
      "The actor, and the message type with its futures, that took most of that second are on the right."),
    el("section", {}, el("div", { class: "scroll" }, table(["arbiter", "actors", "busy", "lag", "lag p50 / p99", textHead("busiest actor"), textHead("its message")],
      rows.map((row) => line(el("code", {}, row.name), integer(row.actors),
        el("td", { class: row.busy > BUSY_SHARE ? "bad" : null }, share(row.busy)), el("td", { class: row.lag_ns > LATE_NS ? "bad" : null }, row.lag.count || row.lag_ns ? time(row.lag_ns) : "–"),
        latency(row.lag), ...busiest(row.busiest)))))),
    el("section", {}, el("h3", {}, "Thread pools"), el("div", { class: "scroll" }, table(["pool", "threads", "busy", "queued", "jobs/s", "run p50 / p99", "queued p50 / p99"],
      flatten(tree).filter((node) => node.pool).map((node) => line(
        el("a", { href: `#/actor/${encodeURIComponent(node.path)}` }, el("code", {}, node.path)), integer(node.pool.threads),
        el("td", { class: node.pool.threads && node.pool.busy === node.pool.threads ? "bad" : null }, integer(node.pool.busy)),
        `${integer(node.mailbox.depth)} of ${integer(node.mailbox.capacity)}, peak ${integer(node.mailbox.peak)}`,
        rate(perSecond(node)), latency(node.handling), latency(node.queue)))))));
}

/** The incidents that the stream has sent, oldest first. */
let incidents = [];
const MAX_INCIDENTS = 256;

function updateIncidents(event) {
  const { is_first, new: added } = event.incidents;
  if (is_first) incidents = added; else incidents = [...incidents, ...added].slice(-MAX_INCIDENTS);
}

const KINDS = { failure: "failure", escalation: "supervisor gave up", group: "with a sibling", stuck: "does not answer", deadlock: "wait for each other" };

function drawIncidents({ status, incidents: { dropped } }) {
  const startedAt = Date.now() - status.uptime_ms;
  const rows = [...incidents].reverse().map((it) => el("tr", {},
    el("td", {}, new Date(it.unix_ms).toLocaleString("en-GB")), text(it.unix_ms < startedAt ? "before this start" : ago(it.unix_ms)),
    text(el("a", { href: `#/actor/${encodeURIComponent(it.actor)}` }, el("code", {}, it.actor))), text(KINDS[it.kind] || it.kind), integerCell(it.generation),
    el("td", { class: "text" }, it.reason)));
  show("incidents",
    el("p", {}, el("a", { href: "#/" }, "← all actors")),
    el("h2", { tabindex: "-1" }, "Incidents"),
    el("p", { class: "hint" }, `The last ${MAX_INCIDENTS} failures, restarts and hangs, newest first. With a data directory, also those before the last start of the node.`),
    dropped ? el("p", { class: "bad", role: "alert" }, `${integer(dropped)} ${dropped === 1 ? "incident is" : "incidents are"} not in the file: the disk was too slow.`) : null,
    rows.length ? el("div", { class: "scroll" }, table(["at", textHead(""), textHead("actor"), textHead("kind"), "generation", textHead("reason")], rows)) : empty("None."));
}

const integerCell = (n) => el("td", {}, integer(n));

const REASONS = { rejected: "mailbox full", unavailable: "actor down", dropped: "displaced by a newer message", lost: "by the end of a generation" };

/** Returns the samples of messages to an actor that were not handled; nothing if there are none. */
function deadLetters(node) {
  if (!node.dead_letters.length) return null;
  const rows = [...node.dead_letters].reverse().map((it) => line(clock(it.unix_ms), ago(it.unix_ms), text(el("code", {}, it.message)), text(REASONS[it.reason] || it.reason), text(el("code", {}, it.sender))));
  return el("section", {}, el("h3", {}, "Messages that were not handled, samples"),
    el("div", { class: "scroll" }, table(["at", "", textHead("message"), textHead("reason"), textHead("sender")], rows)));
}
