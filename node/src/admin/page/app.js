"use strict";
// Draws the events of /api/events, one per second: {status, tree, arbiters, incidents, history}. No framework, no assets.

const $ = (id) => document.getElementById(id);
let last = null;

/** Creates an element. Children are nodes or text, so that no data of the node is parsed as HTML. */
function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

function svg(tag, props, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value !== undefined && value !== null && value !== "") node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Replaces the children of an element. Equal nodes are kept, and with them focus, a click under way and scrolling. */
function show(id, ...children) {
  const old = $(id);
  morph(old, fill(old.cloneNode(false), {}, children));
}

function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName) { old.replaceWith(fresh); return; }
  if (old.nodeType === Node.TEXT_NODE) { if (old.data !== fresh.data) old.data = fresh.data; return; }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const pathOf = (node) => node.dataset && node.dataset.path;
  const byPath = new Map([...old.children].filter(pathOf).map((child) => [pathOf(child), child]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const same = pathOf(child) ? byPath.get(pathOf(child)) : at;
    if (!same) { old.insertBefore(child, at); continue; }
    if (same === at) at = at.nextSibling; else old.insertBefore(same, at);
    morph(same, child);
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}

const integer = (n) => Math.round(n).toLocaleString("en-US");
const rate = (n) => (n < 0.05 ? "0" : n < 10 ? n.toFixed(1) : integer(n));
const maxOf = (values) => values.reduce((top, value) => Math.max(top, value), 0);
const sum = (values) => values.reduce((total, value) => total + value, 0);

function time(ns) {
  const us = ns / 1000;
  if (us < 1000) return `${us < 10 ? us.toFixed(1) : Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1000).toFixed(us < 10000 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(1)} s`;
}

function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function bytes(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) { n /= 1000; unit += 1; }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

function gwei(wei) {
  if (wei < 1e5) return `${integer(wei)} wei`;
  const n = wei / 1e9;
  return `${n >= 100 ? integer(n) : Number(n.toPrecision(3))} gwei`;
}

const ago = (ms) => `${duration(Math.max(0, Date.now() - ms))} ago`;
const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const latency = (of) => (of && of.count ? `${time(of.p50_ns)} / ${time(of.p99_ns)}` : "–");
const perSecond = (node) => sum(node.messages.map((message) => message.per_second));
const flatten = (node) => [node, ...node.children.flatMap(flatten)];

// Curves end at the right edge, which is now; samples are five seconds apart.
const SAMPLES = 180;

function curve(values, top, width, height) {
  const x = (i) => ((SAMPLES - values.length + i) * width) / (SAMPLES - 1);
  const y = (value) => height - 1 - (value / top) * (height - 2);
  return values.map((value, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}

function spark(values, label) {
  const top = maxOf(values) || 1;
  return svg("svg", { class: "spark", viewBox: "0 0 120 22", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { d: curve(values, top, 120, 22) || "M0 21" }));
}

/** Draws curves of the last 15 minutes with a common scale. */
function curves(title, format, ...series) {
  const top = maxOf(series.flatMap(({ values }) => values));
  const paths = series.map(({ values, kind }) => svg("path", { class: kind, d: curve(values, top || 1, 300, 80) || "M0 79" }));
  const now = series.map(({ values, name }) => `${name ? `${name} ` : ""}${format(values.length ? values[values.length - 1] : 0)}`);
  return figure(title, `${now.join(", ")} · peak ${format(top)}`, "15 minutes ago", "now",
    svg("svg", { viewBox: "0 0 300 80", preserveAspectRatio: "none", role: "img", "aria-label": `${title}, ${now.join(", ")}` }, ...paths));
}

/** Draws a bar for each of `values`, in front of the lighter bar of its limit. */
function bars(title, text, begin, end, values, names, limits = []) {
  const top = maxOf([...values, ...limits]) || 1;
  const width = 300 / Math.max(30, values.length);
  const bar = (kind) => (value, i) => svg("rect", { class: kind, x: (i * width).toFixed(2), width: (width * 0.8).toFixed(2), y: (80 - (80 * value) / top).toFixed(2), height: ((80 * value) / top).toFixed(2) },
    svg("title", {}, names[i]));
  return figure(title, text, begin, end,
    svg("svg", { viewBox: "0 0 300 80", preserveAspectRatio: "none", role: "img", "aria-label": `${title}, ${text}` }, ...limits.map(bar("limit")), ...values.map(bar("value"))));
}

const figure = (title, text, begin, end, drawing) => el("figure", {},
  el("figcaption", {}, el("b", {}, title), " ", text), drawing,
  el("div", { class: "axis", "aria-hidden": "true" }, el("span", {}, begin), el("span", {}, end)));

function table(heads, lines) {
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((head) => (head instanceof Node ? head : el("th", { scope: "col" }, head))))), el("tbody", {}, ...lines));
}

const line = (...cells) => el("tr", {}, ...cells.map((cell) => (cell instanceof HTMLTableCellElement ? cell : el("td", {}, cell))));
const count = (n, isBad) => el("td", { class: isBad && n ? "bad" : null }, integer(n));
const empty = (text) => el("p", { class: "empty panel" }, text);
const card = (value, label, title) => el("div", { class: "card", title }, el("b", {}, value), el("span", {}, label));

function state(node) {
  const name = node.stuck ? "stuck" : node.state;
  return el("span", { class: `badge ${name}` }, name.replace("_", " "));
}

/** The time for which the button "hang" holds the thread of an actor: longer than an actor may hold it before it is stuck. */
const HANG_MS = 15000;

/** Returns the buttons that make an actor fail; none unless the node was started with --admin.chaos. */
function chaosButtons(node) {
  if (!last.status.chaos || node.kind !== "actor") return [];
  return [
    el("button", { "data-crash": node.path, "aria-label": `crash ${node.name}`, title: `make ${node.name} panic` }, "crash"),
    el("button", { "data-hang": node.path, "aria-label": `hang ${node.name}`, title: `make ${node.name} hold its thread for ${duration(HANG_MS)}` }, "hang"),
  ];
}

/** Describes a mailbox with its bound in bytes, if it has one. */
function mailboxTitle(mailbox) {
  if (!mailbox) return "";
  const weight = mailbox.bytes ? `; ${bytes(mailbox.bytes.queued)}, peak ${bytes(mailbox.bytes.peak)}, bound ${bytes(mailbox.bytes.bound)}` : "";
  return `peak ${integer(mailbox.peak)}, capacity ${integer(mailbox.capacity)}${weight}`;
}

const num = (label, value, title, isBad) => el("span", { class: isBad ? "num bad" : "num", title }, el("small", {}, label), value);

function row(node, level, rail, history) {
  const samples = (history.actors[node.path] || {}).rate || [];
  const isActor = node.kind === "actor";
  const incident = node.incidents[node.incidents.length - 1];
  const isRecent = incident && Date.now() - incident.unix_ms < SAMPLES * 5000;
  const reason = incident ? `${incident.reason}, ${ago(incident.unix_ms)}` : "";
  return el("div", {
    class: `node ${node.kind}`, role: "treeitem", tabindex: "0", "data-path": node.path,
    "aria-label": `${node.name}, ${node.stuck ? "stuck" : node.state}${isRecent ? `, ${reason}` : ""}`, "aria-level": level,
  },
    el("span", { class: "name" }, el("span", { class: "rail", "aria-hidden": "true" }, rail), el("span", { class: "label" }, node.name), ...chaosButtons(node)),
    el("span", { class: "state" }, state(node)),
    num("generation", integer(node.generation)),
    num("up", duration(node.uptime_ms)),
    num("mailbox", isActor && node.mailbox ? integer(node.mailbox.depth) : "–", mailboxTitle(node.mailbox)),
    num("msg/s", isActor ? rate(perSecond(node)) : "–"),
    num("handled in", isActor ? latency(node.handling) : "–", "time in the handler, p50 / p99"),
    num("queued for", isActor ? latency(node.queue) : "–", "time in the mailbox, p50 / p99"),
    num("restarts", integer(node.restarts), reason, node.restarts > 0),
    spark(samples, `messages per second of ${node.name} over the last 15 minutes`),
    isRecent ? el("span", { class: "why", title: reason }, reason) : null);
}

function rows(node, history, level = 1, rail = "", below = "") {
  const inner = node.children.flatMap((child, index) => {
    const isLast = index === node.children.length - 1;
    return rows(child, history, level + 1, below + (isLast ? "└ " : "├ "), below + (isLast ? "  " : "│ "));
  });
  return [row(node, level, rail, history), ...inner];
}

function drawTree({ tree, history }) {
  const heads = ["actor", "state", "gen.", "up", "mailbox", "msg/s", "handled p50 / p99", "queued p50 / p99", "restarts", "msg/s, 15 min"];
  show("tree", el("div", { class: "node head", "aria-hidden": "true" }, ...heads.map((head, i) => el("span", { class: i > 1 && i < 9 ? "num" : null }, head))),
    ...rows(tree, history));
}

function drawCards({ status, tree }) {
  const head = status.blocks[status.blocks.length - 1];
  const restarts = sum(flatten(tree).filter((node) => node.kind === "actor").map((node) => node.restarts));
  show("cards",
    head ? card(integer(head.number), `head, ${ago(head.timestamp * 1000)}`, head.hash) : card("–", "head"),
    head ? card(`${head.gas_limit ? Math.round((100 * head.gas_used) / head.gas_limit) : 0} %`, `of ${(head.gas_limit / 1e6).toFixed(1)} Mgas used, ${integer(head.transactions)} transactions`) : null,
    card(integer(status.pool.pending), `pending, ${integer(status.pool.queued)} queued`),
    card(rate(status.rpc.per_second), "RPC requests per second"),
    card(bytes(status.memory_bytes), `memory, peak ${bytes(status.memory_peak_bytes)}`),
    card(bytes(status.database_bytes + status.ancient_bytes), "on disk"),
    card(integer(restarts), restarts === 1 ? "restart" : "restarts"));
}

function drawBlocks({ status }) {
  const { blocks, stall } = status;
  $("stall").hidden = !stall;
  $("stall").textContent = stall || "";
  if (!blocks.length) { show("blocks", empty("No block can be read.")); return; }
  const head = blocks[blocks.length - 1];
  // The genesis block was not sealed: the time between it and block 1 is meaningless.
  const timed = blocks.filter((block, i) => i && blocks[i - 1].number);
  const gaps = timed.map((block) => block.timestamp - blocks[blocks.indexOf(block) - 1].timestamp);
  const span = [integer(blocks[0].number), integer(head.number)];
  const name = (text) => (block) => `block ${integer(block.number)}: ${text(block)}`;
  const mean = gaps.length ? `${(sum(gaps) / gaps.length).toFixed(1)} s on average, at most ${integer(maxOf(gaps))} s` : "no data yet";
  show("head", el("code", {}, head.hash), ` · ${new Date(head.timestamp * 1000).toLocaleString("en-GB")} · gas limit ${integer(head.gas_limit)}`,
    head.base_fee === null ? "" : ` · base fee ${gwei(head.base_fee)}`);
  show("blocks",
    bars("Gas used", `of the limit, ${integer(head.gas_used)} in the head`, ...span, blocks.map((b) => b.gas_used), blocks.map(name((b) => `${integer(b.gas_used)} of ${integer(b.gas_limit)} gas`)), blocks.map((b) => b.gas_limit)),
    bars("Time between blocks", mean, timed.length ? integer(timed[0].number) : "", span[1], gaps, timed.map((b, i) => `block ${integer(b.number)}: ${integer(gaps[i])} s after its parent`)),
    bars("Transactions", `${integer(sum(blocks.map((b) => b.transactions)))} in ${blocks.length} blocks`, ...span, blocks.map((b) => b.transactions), blocks.map(name((b) => `${integer(b.transactions)} transactions`))));
}

function drawPool({ status, history }) {
  const { pool } = status;
  const { pending, queued } = history.node;
  const price = pool.prices ? gwei(pool.prices.median) : "–";
  const range = pool.prices ? `median price, ${gwei(pool.prices.lowest)} to ${gwei(pool.prices.highest)}` : "price: no pending transactions";
  show("pool",
    curves("Transactions", integer, { name: "pending", values: pending, kind: "first" }, { name: "queued", values: queued, kind: "second" }),
    el("div", { class: "cards" },
      card(integer(pool.pending), "pending"), card(integer(pool.queued), "queued"), card(integer(pool.sender_count), pool.sender_count === 1 ? "sender" : "senders"),
      card(price, range), card(pool.next_base_fee === null ? "–" : gwei(pool.next_base_fee), "base fee of the next block")));
  show("senders", pool.senders.length
    ? table(["sender", "local", "pending", "queued"], pool.senders.map((s) => line(el("code", {}, s.address), s.is_local ? "yes" : "no", integer(s.pending), integer(s.queued))))
    : empty("No transactions."));
}

/** Draws a row for each bucket of a node table, farthest last, with a square for each node and empty squares for free places. */
function buckets(nodeTable) {
  const size = 16;
  const known = sum(nodeTable.buckets.map((bucket) => bucket.nodes.length));
  const replacements = sum(nodeTable.buckets.map((bucket) => bucket.replacements));
  const square = (x, y, kind, text) => svg("rect", { class: kind, x: x * 12, y: y * 12, width: 10, height: 10 }, svg("title", {}, text));
  const squares = nodeTable.buckets.flatMap((bucket, y) => Array.from({ length: size }, (_, x) => {
    const node = bucket.nodes[x];
    if (!node) return square(x, y, "limit", `bucket ${y}: free`);
    return square(x, y, node.checks ? "value" : "unverified", `bucket ${y}: ${node.id} at ${node.address}, answered ${integer(node.checks)} pings`);
  }));
  const text = `${integer(known)} nodes in ${nodeTable.buckets.length} buckets, ${integer(replacements)} replacements · ${integer(nodeTable.handled)} datagrams, ${integer(nodeTable.refused)} refused`;
  return figure(`Discovery ${nodeTable.version}`, text, "closest above", "farthest below",
    svg("svg", { class: "buckets", viewBox: `0 0 ${size * 12} ${nodeTable.buckets.length * 12}`, role: "img", "aria-label": `Discovery ${nodeTable.version}, ${text}` }, ...squares));
}

function drawNetwork({ status }) {
  const { network } = status;
  $("network").hidden = !network;
  if (!network) return;
  const peers = network.peers;
  show("enode", `${integer(peers.length)} of ${integer(network.max_peers)} peers, ${integer(network.connections)} connections · `, el("code", {}, network.enode));
  show("peers", peers.length
    ? table(["peer", "client", "address", "direction", "protocols", "up", "in", "out", "round trip", "score"], peers.map((p) => line(
      el("code", {}, p.id), p.client, el("code", {}, p.remote), p.is_trusted ? `${p.direction}, trusted` : p.direction, p.capabilities.join(" "),
      duration(p.up_ms), bytes(p.bytes_in), bytes(p.bytes_out), p.latency_us === null ? "–" : time(p.latency_us * 1000), el("td", { class: p.score < 0 ? "bad" : null, title: p.notes.join("\n") }, [integer(p.score), ...p.notes.slice(-1)].join(": ")))))
    : empty("No peers yet."));
  const { dropped, dropped_count: all } = network;
  $("dropped-title").hidden = !dropped.length;
  $("dropped-title").textContent = all > dropped.length ? `Recently dropped peers, the last ${dropped.length} of ${integer(all)}` : "Recently dropped peers";
  show("dropped", dropped.length
    ? table(["peer", el("th", { scope: "col", class: "text" }, "reason"), "banned for", "dropped", "times", "client", "address"], dropped.map((p) => line(
      el("code", {}, p.id), el("td", { class: "text" }, p.why), p.left_ms === null ? "–" : duration(p.left_ms), `${duration(p.ago_ms)} ago`, integer(p.times), p.client || "–", el("code", {}, p.remote || "–"))))
    : "");
  show("buckets", ...(network.tables.length ? network.tables.map(buckets) : [empty("Discovery is disabled (--nodiscover).")]));
}

function drawRpc({ status, history }) {
  const methods = [...status.rpc.methods].sort((a, b) => b.requests - a.requests);
  const { connections } = status.rpc;
  const errors = sum(methods.map((m) => m.errors));
  show("rpc-charts", curves("Requests per second", rate, { values: history.node.requests, kind: "first" }),
    el("div", { class: "cards" }, card(integer(sum(methods.map((m) => m.requests))), "requests"), card(integer(errors), "errors"),
      card(integer(connections.open), `of ${integer(connections.max)} connections`), card(bytes(connections.bytes), `of ${bytes(connections.max_bytes)} wait`)));
  show("connections", connections.lasting.length
    ? table(["connection", "client", "open for", "messages in", "in", "messages out", "out"], connections.lasting.map((c) => line(
      el("code", {}, `${c.server} ${c.id}`), c.client ? el("code", {}, c.client) : "–", duration(c.age_ms), integer(c.messages_in), bytes(c.bytes_in), integer(c.messages_out), bytes(c.bytes_out))))
    : "");
  const title = $("connections-title");
  title.hidden = !connections.lasting.length;
  title.textContent = connections.lasting_count > connections.lasting.length
    ? `WebSocket and IPC connections, the oldest ${connections.lasting.length} of ${integer(connections.lasting_count)}` : "WebSocket and IPC connections";
  show("rpc", methods.length
    ? table(["method", "requests", "per second", "errors", "p50", "p99"], methods.map((m) => line(
      el("code", {}, m.method), integer(m.requests), rate(m.per_second), count(m.errors, true), time(m.p50_us * 1000), time(m.p99_us * 1000))))
    : empty("No requests yet."));
}

function drawProcess({ status, history }) {
  show("process",
    curves("Memory", bytes, { values: history.node.memory, kind: "first" }),
    curves("Disk", bytes, { values: history.node.disk, kind: "first" }),
    el("div", { class: "cards" }, card(bytes(status.memory_bytes), "resident"), card(bytes(status.memory_peak_bytes), "resident, peak"),
      card(bytes(status.database_bytes), "database"), card(bytes(status.ancient_bytes), "ancient files")));
}

/** Columns that are shown only if a value is not zero. */
const RARE = [["rejected", "mailbox full"], ["unavailable", "actor down"], ["dropped", "displaced by newer messages"], ["lost", "by a restart"], ["abandoned", "caller gone"], ["expired", "past their deadline"], ["quarantined", "type crashed the actor"], ["owed", "replies pending"]];

function drawActor({ tree, history }, path) {
  const back = el("p", {}, el("a", { href: "#/" }, "← all actors"));
  const node = flatten(tree).find((candidate) => candidate.path === path);
  if (!node) { show("actor", back, empty(`${path} is not in the tree (any more).`)); return; }
  const rare = RARE.filter(([name]) => node.messages.some((m) => m[name]));
  const hasAnswers = node.messages.some((m) => m.answering.count);
  const lines = node.messages.map((m) => line(
    el("code", {}, m.name), integer(m.handled), rate(m.per_second), count(m.failed, true), ...rare.map(([name]) => integer(m[name])), integer(m.slow),
    latency(m.handling), latency(m.queue), ...(hasAnswers ? [latency(m.answering)] : [])));
  const incidents = [...node.incidents].reverse().map((i) => line(clock(i.unix_ms), ago(i.unix_ms), integer(i.generation), el("td", { class: "text" }, i.reason)));
  const { rate: rates = [], depth = [] } = history.actors[path] || {};
  const isActor = node.kind === "actor";
  const stuck = node.stuck ? `, has not answered for ${duration(node.stuck.for_ms)} in ${node.stuck.doing || node.stuck.blocked_by || "an unknown place"}` : "";
  const deadlock = node.deadlock ? el("p", { class: "bad" }, `Waits for itself: ${node.deadlock}`) : null;
  const waits = (node.waits || []).map((w) => line(el("code", {}, w.from), w.message ? el("code", {}, w.message) : "", w.place, duration(w.for_ms)));
  show("actor", back,
    el("h2", { tabindex: "-1" }, node.name, " ", state(node), ...chaosButtons(node).flatMap((button) => [" ", button])),
    el("p", { class: "hint" }, el("code", {}, node.path), node.arbiter ? ` on arbiter ${node.arbiter}` : "", node.doing ? `, in ${node.doing}` : "", stuck),
    deadlock,
    waits.length ? el("section", {}, el("h3", {}, "Requests that have waited for a second or longer"), el("div", { class: "scroll" },
      table([textHead("from"), textHead("message"), textHead("where"), "for"], waits))) : null,
    el("section", { class: "cards" },
      card(integer(node.generation), "generation"), card(duration(node.uptime_ms), "up"), card(integer(node.restarts), "restarts"),
      isActor ? card(`${integer(node.mailbox.depth)} of ${integer(node.mailbox.capacity)}`, `in the mailbox, peak ${integer(node.mailbox.peak)}`) : null,
      isActor && node.mailbox.bytes ? card(`${bytes(node.mailbox.bytes.queued)} of ${bytes(node.mailbox.bytes.bound)}`, `in the mailbox, peak ${bytes(node.mailbox.bytes.peak)}`) : null,
      isActor ? card(latency(node.handling), "handled in, p50 / p99") : null, isActor ? card(latency(node.queue), "queued for, p50 / p99") : null),
    isActor ? el("section", { class: "charts" },
      curves("Messages per second", rate, { values: rates, kind: "first" }), curves("Mailbox", integer, { values: depth, kind: "first" })) : null,
    isActor ? el("section", {}, el("h3", {}, "Messages"), el("div", { class: "scroll" }, lines.length
      ? table(["message", "handled", "per second", "failed", ...rare.map(([name, what]) => `${name} (${what})`), "slow", "handled in p50 / p99", "queued p50 / p99", ...(hasAnswers ? ["answered in p50 / p99"] : [])], lines)
      : empty("None yet."))) : null,
    deadLetters(node),
    el("section", {}, el("h3", {}, "Last failures and restarts"), el("div", { class: "scroll" }, incidents.length
      ? table(["at", "", "generation", el("th", { scope: "col", class: "text" }, "reason")], incidents) : empty("None."))));
}

/** Rates of the edges, by key: a moving average of the messages accepted per second. */
const rates = new Map();

/** Returns an edge for each sender of each message type of each actor. Children of a dynamic supervisor are one node. */
function edges(tree) {
  const all = new Map();
  for (const node of flatten(tree)) for (const m of node.messages) for (const { path, sent } of m.senders) {
    const key = JSON.stringify([path, node.group, m.name]);
    const edge = all.get(key) || { key, from: path, to: node.group, message: m.name, sent: 0, handling: m.handling, queue: m.queue };
    edge.sent += sent;
    if (m.handling.p99_ns > edge.handling.p99_ns) edge.handling = m.handling;
    if (m.queue.p99_ns > edge.queue.p99_ns) edge.queue = m.queue;
    all.set(key, edge);
  }
  return [...all.values()];
}

function updateRates({ tree, status }) {
  for (const { key, sent } of edges(tree)) {
    const before = rates.get(key);
    const seconds = before ? (status.uptime_ms - before.at) / 1000 : 0;
    if (before && seconds <= 0) continue;
    const now = before ? Math.max(0, sent - before.sent) / seconds : 0;
    rates.set(key, { sent, at: status.uptime_ms, rate: before ? before.rate + 0.3 * (now - before.rate) : 0 });
  }
}

/** Handlers, or waits in the queue, of this length (99th percentile) mark an edge as slow. */
const SLOW_NS = 50e6;

/** Draws the senders on the left, the receivers on the right, and between them a curve for each pair, as wide as its rate. */
function graph(tree, all) {
  const order = new Map(flatten(tree).map((node, index) => [node.group, index]));
  const sorted = (paths) => [...new Set(paths)].sort((a, b) => (order.get(a) ?? 1e9) - (order.get(b) ?? 1e9));
  const [left, right] = [sorted(all.map((edge) => edge.from)), sorted(all.map((edge) => edge.to))];
  const pairs = new Map();
  for (const edge of all) {
    const key = JSON.stringify([edge.from, edge.to]);
    const pair = pairs.get(key) || { from: edge.from, to: edge.to, rate: 0, sent: 0, slow: false, texts: [] };
    pair.rate += edge.rate; pair.sent += edge.sent; pair.slow = pair.slow || edge.slow;
    pair.texts.push(`${edge.message}: ${rate(edge.rate)} per second, ${integer(edge.sent)} in all`);
    pairs.set(key, pair);
  }
  const height = 18 * Math.max(left.length, right.length) + 8;
  const at = (list, path) => 14 + ((height - 8) / list.length) * (list.indexOf(path) + 0.5) - 9;
  const short = (path) => path.split("/").slice(-2).join("/");
  const label = (list, x, anchor) => list.map((path) => svg("text", { x, y: at(list, path) + 4, "text-anchor": anchor }, short(path), svg("title", {}, path)));
  const curves = [...pairs.values()].sort((a, b) => a.rate - b.rate).map((pair) => svg("path", {
    class: pair.slow ? "edge slow" : pair.rate > 0.05 ? "edge" : "edge idle", "data-edge": `${pair.from} ${pair.to}`,
    "stroke-width": (1 + 1.5 * Math.log10(1 + pair.rate)).toFixed(1),
    d: `M300 ${at(left, pair.from).toFixed(0)}C450 ${at(left, pair.from).toFixed(0)} 550 ${at(right, pair.to).toFixed(0)} 700 ${at(right, pair.to).toFixed(0)}`,
  }, svg("title", {}, `${pair.from} → ${pair.to}\n${pair.texts.join("\n")}`)));
  return svg("svg", { class: "graph", viewBox: `0 0 1000 ${height}`, role: "img", "aria-label": `${pairs.size} pairs of actors that exchange messages; the table below lists them` },
    ...curves, ...label(left, 292, "end"), ...label(right, 708, "start"));
}

function drawMessages({ tree }) {
  const all = edges(tree).map((edge) => ({ ...edge, rate: (rates.get(edge.key) || { rate: 0 }).rate, slow: edge.handling.p99_ns > SLOW_NS || edge.queue.p99_ns > SLOW_NS }));
  all.sort((a, b) => b.rate - a.rate || b.sent - a.sent);
  show("messages",
    el("p", {}, el("a", { href: "#/" }, "← all actors")),
    el("h2", { tabindex: "-1" }, "Messages between actors"),
    el("p", { class: "hint" }, "Senders on the left, receivers on the right. The width is the rate; grey: none at the moment; red: 1 in 100 takes over 50 ms in the mailbox or in the handler. ",
      el("code", {}, "outside"), " is code that no actor runs, such as the connections of clients; ", el("code", {}, "*"), " stands for all children of a dynamic supervisor."),
    all.length ? el("section", { class: "panel scroll" }, graph(tree, all)) : empty("None yet."),
    el("section", {}, el("div", { class: "scroll" }, table([
      el("th", { scope: "col", class: "text" }, "sender"), el("th", { scope: "col", class: "text" }, "receiver"), el("th", { scope: "col", class: "text" }, "message"),
      "per second", "in all", "queued p50 / p99", "handled in p50 / p99"],
    all.slice(0, 200).map((edge) => line(
      el("td", { class: "path" }, el("code", {}, edge.from)), el("td", { class: "path" }, el("code", {}, edge.to)), el("td", { class: "path" }, el("code", {}, edge.message)), rate(edge.rate), integer(edge.sent),
      el("td", { class: edge.queue.p99_ns > SLOW_NS ? "bad" : null }, latency(edge.queue)), el("td", { class: edge.handling.p99_ns > SLOW_NS ? "bad" : null }, latency(edge.handling))))))));
}

/** Pages beside the overview and those of the actors, by their hash: the id of the element and what draws it. */
const PAGES = { "#/messages": ["messages", drawMessages], "#/arbiters": ["arbiters", drawArbiters], "#/incidents": ["incidents", drawIncidents] };
const page = () => PAGES[location.hash] || null;
const shown = () => { const match = location.hash.match(/^#\/actor\/(.+)$/); return match ? decodeURIComponent(match[1]) : null; };

function draw() {
  if (!last) return;
  const { status, tree } = last;
  const nodes = flatten(tree);
  const unhealthy = nodes.filter((node) => node.stuck || node.state !== "running").length;
  $("summary").textContent = `${status.version} · chain ${status.chain_id} · up ${duration(status.uptime_ms)} · ${nodes.length} nodes, ${unhealthy ? `${unhealthy} unhealthy` : "all healthy"}`;
  const path = shown();
  $("overview").hidden = path !== null || page() !== null;
  $("actor").hidden = path === null;
  for (const [hash, [id]] of Object.entries(PAGES)) $(id).hidden = location.hash !== hash;
  if (page()) { page()[1](last); return; }
  if (path !== null) { drawActor(last, path); return; }
  drawCards(last); drawTree(last); drawBlocks(last); drawPool(last); drawNetwork(last); drawRpc(last); drawProcess(last);
}

let noticeTimer = null;
function showNotice(text) {
  $("notice").textContent = text;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => { $("notice").textContent = ""; }, 6000);
}

/** Sends a request that makes an actor fail, and shows `done` or the reason of the refusal. */
async function disturb(route, body, done) {
  try {
    const answer = await fetch(route, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    showNotice(answer.ok ? done : (await answer.text()).trim());
  } catch { showNotice("the node does not answer"); }
}

const open = (path) => { location.hash = `#/actor/${encodeURIComponent(path)}`; };

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-crash], [data-hang]");
  if (button) {
    const { crash, hang } = button.dataset;
    if (crash) disturb("/api/crash", { path: crash }, `${crash} was crashed`);
    else disturb("/api/hang", { path: hang, ms: HANG_MS }, `${hang} hangs for ${duration(HANG_MS)}`);
    return;
  }
  const node = event.target.closest("[data-path]");
  if (node) open(node.dataset.path);
});

document.addEventListener("keydown", (event) => {
  const { path } = event.target.dataset || {};
  if (event.key === "Enter" && path) { open(path); return; }
  if (event.key === "Escape" && (shown() !== null || page())) { location.hash = "#/"; return; }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const nodes = [...$("tree").querySelectorAll("[data-path]")];
  const at = nodes.indexOf(document.activeElement.closest("[data-path]"));
  if (at < 0 && document.activeElement !== document.body) return;
  if (!nodes.length || $("overview").hidden) return;
  event.preventDefault();
  nodes[Math.min(nodes.length - 1, Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1)))].focus();
});

let opened = null;
window.addEventListener("hashchange", () => {
  draw();
  const path = shown();
  if (path !== null || page()) { window.scrollTo(0, 0); const title = $(path !== null ? "actor" : page()[0]).querySelector("h2"); if (title) title.focus(); }
  else if (opened !== null) { const node = $("tree").querySelector(`[data-path="${CSS.escape(opened)}"]`); if (node) node.focus(); }
  opened = path;
});

function online(yes) {
  $("link").textContent = yes ? "live" : "offline";
  $("link").className = `badge ${yes ? "online" : "offline"}`;
  document.body.classList.toggle("stale", !yes);
}

const events = new EventSource("/api/events");
events.onmessage = (event) => { last = JSON.parse(event.data); online(true); updateRates(last); updateIncidents(last); draw(); };
events.onerror = () => online(false);
