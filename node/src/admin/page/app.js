"use strict";
// Draws what /api/events sends once a second: {status, tree, history}. No framework, no assets.

const $ = (id) => document.getElementById(id);
let last = null;

/** An element; children are nodes or text, so that nothing from the node is read as HTML. */
function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function svg(tag, props, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(props)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const integer = (n) => Math.round(n).toLocaleString("en-US");
const rate = (n) => (n === 0 ? "0" : n < 10 ? n.toFixed(1) : integer(n));

function micros(us) {
  if (us === null || us === undefined) return "–";
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

const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

/** The busiest message type says how long the actor's messages take. */
function latency(node, kind, quantile) {
  let worst = null;
  for (const message of node.messages) {
    const value = message[kind] && message[kind][quantile] / 1000;
    if (value !== null && value !== undefined && message.handled > 0 && (worst === null || value > worst)) worst = value;
  }
  return worst;
}

const perSecond = (node) => node.messages.reduce((sum, message) => sum + message.per_second, 0);

function spark(values, label) {
  const width = 120, height = 22;
  const top = Math.max(1e-9, ...values);
  const step = width / Math.max(1, values.length - 1);
  const points = values.map((v, i) => `${i ? "L" : "M"}${(i * step).toFixed(1)} ${(height - 1 - (v / top) * (height - 2)).toFixed(1)}`);
  return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { d: points.join("") || "M0 21" }));
}

function state(node) {
  const name = node.stuck ? "stuck" : node.state;
  return el("span", { class: `badge ${name}` }, name.replace("_", " "));
}

const num = (label, value, title, bad) => el("span", { class: bad ? "num bad" : "num", title }, el("small", {}, label), value);

function crashButton(node) {
  if (!last.status.chaos || node.kind !== "actor" || node.state !== "running") return null;
  return el("button", { title: `make ${node.name} panic`, onclick: (event) => {
    event.stopPropagation();
    fetch("/api/crash", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ path: node.path }) });
  } }, "crash");
}

function row(node, rails, branch, history) {
  const samples = (history[node.path] || {}).rate || [];
  const actor = node.kind === "actor";
  const open = () => { location.hash = `#/actor/${encodeURIComponent(node.path)}`; };
  return el("div", {
    class: "node", role: "treeitem", tabindex: "0", "data-path": node.path, onclick: open,
    "aria-label": `${node.name}, ${node.stuck ? "stuck" : node.state}`, "aria-level": rails.length + 1,
    onkeydown: (event) => { if (event.key === "Enter") open(); },
  },
    el("span", { class: "name" }, el("span", { class: "rail" }, rails.join("") + branch), node.name, "\u00a0", crashButton(node)),
    el("span", { class: "state" }, state(node)),
    num("generation", integer(node.generation)),
    num("up", duration(node.uptime_ms)),
    num("mailbox", actor && node.mailbox ? integer(node.mailbox.depth) : "–", node.mailbox ? `most so far ${node.mailbox.peak}, capacity ${node.mailbox.capacity}` : ""),
    num("msg/s", actor ? rate(perSecond(node)) : "–"),
    num("p50 / p99", actor ? `${micros(latency(node, "handling", "p50_ns"))} / ${micros(latency(node, "handling", "p99_ns"))}` : "–", "handling time of the slowest message type"),
    num("restarts", integer(node.restarts), "", node.restarts > 0),
    spark(samples, `messages a second of ${node.name} over the last 15 minutes`));
}

function rows(node, history, rails = [], branch = "", below = "") {
  const out = [row(node, rails, branch, history)];
  node.children.forEach((child, index) => {
    const lastChild = index === node.children.length - 1;
    const inner = branch === "" && rails.length === 0 ? [] : [...rails, below];
    out.push(...rows(child, history, inner, lastChild ? "└ " : "├ ", lastChild ? "  " : "│ "));
  });
  return out;
}

function drawTree({ tree, history }) {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.path : null;
  const head = el("div", { class: "node head", "aria-hidden": "true" },
    ...["actor", "state", "generation", "up", "mailbox", "msg/s", "p50 / p99", "restarts", "msg/s, 15 min"].map((t, i) => el("span", { class: i > 1 && i < 8 ? "num" : "" }, t)));
  $("tree").replaceChildren(head, ...rows(tree, history));
  if (focused) { const again = $("tree").querySelector(`[data-path="${CSS.escape(focused)}"]`); if (again) again.focus(); }
}

const card = (value, label, title) => el("div", { class: "card", title }, el("b", {}, value), el("span", {}, label));

function drawCards({ status, tree }) {
  const head = status.head;
  const restarts = flatten(tree).reduce((sum, node) => sum + (node.kind === "actor" ? node.restarts : 0), 0);
  $("cards").replaceChildren(
    card(integer(head.number), `head, ${duration(Math.max(0, Date.now() - head.timestamp * 1000))} old`, head.hash),
    card(`${head.gas_limit ? Math.round((100 * head.gas_used) / head.gas_limit) : 0} %`, `of ${integer(head.gas_limit)} gas used, ${head.transactions} transactions`),
    card(rate(status.rpc.per_second), "RPC requests a second"),
    card(bytes(status.memory_bytes), "memory"),
    card(bytes(status.disk_bytes), "on disk"),
    card(integer(restarts), "restarts"));
}

function bars(values, limits, caption) {
  const top = Math.max(1e-9, ...values, ...limits);
  const width = 100 / Math.max(1, values.length);
  const bar = (value, index, kind) => svg("rect", { class: kind, x: (index * width).toFixed(2), width: (width * 0.8).toFixed(2), y: (60 - (60 * value) / top).toFixed(2), height: ((60 * value) / top).toFixed(2) });
  return el("figure", {}, svg("svg", { viewBox: "0 0 100 60", preserveAspectRatio: "none", role: "img", "aria-label": caption },
    ...limits.map((v, i) => bar(v, i, "limit")), ...values.map((v, i) => bar(v, i, "value"))), el("figcaption", {}, caption));
}

function drawBlocks({ status, history }) {
  const blocks = status.blocks;
  const gaps = blocks.slice(1).map((block, i) => block.timestamp - blocks[i].timestamp);
  const memory = (history.memory || []).map((n) => n / 1e6);
  const span = blocks.length ? `blocks ${blocks[0].number} to ${blocks[blocks.length - 1].number}` : "no blocks";
  $("blocks").replaceChildren(
    bars(blocks.map((b) => b.gas_used), blocks.map((b) => b.gas_limit), `gas used of the limit, ${span}`),
    bars(gaps, [], `seconds between blocks, ${span}${gaps.length ? `, ${Math.max(...gaps)} s at most` : ""}`),
    bars(memory, [], `memory over the last 15 minutes${memory.length ? `, ${Math.round(Math.max(...memory))} MB at most` : ""}`));
}

function table(heads, lines) {
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads.map((t) => el("th", { scope: "col" }, t)))), el("tbody", {}, ...lines));
}

function drawRpc({ status }) {
  const methods = [...status.rpc.methods].sort((a, b) => b.requests - a.requests);
  if (!methods.length) { $("rpc").replaceChildren(el("p", { class: "empty panel" }, "No requests yet.")); return; }
  $("rpc").replaceChildren(table(["method", "requests", "a second", "errors", "p50", "p99"], methods.map((m) => el("tr", {},
    el("td", {}, el("code", {}, m.method)), el("td", {}, integer(m.requests)), el("td", {}, rate(m.per_second)),
    el("td", { class: m.errors ? "bad" : "" }, integer(m.errors)), el("td", {}, micros(m.p50_us)), el("td", {}, micros(m.p99_us))))));
}

function flatten(node) { return [node, ...node.children.flatMap(flatten)]; }

function drawActor({ tree, history }, path) {
  const node = flatten(tree).find((candidate) => candidate.path === path);
  if (!node) {
    $("actor").replaceChildren(el("p", {}, el("a", { href: "#/" }, "← all actors")), el("p", { class: "empty" }, `${path} is not in the tree (any more).`));
    return;
  }
  const lines = node.messages.map((m) => el("tr", {},
    el("td", {}, el("code", {}, m.name)), el("td", {}, integer(m.handled)), el("td", {}, rate(m.per_second)),
    el("td", { class: m.failed ? "bad" : "" }, integer(m.failed)),
    el("td", { title: "rejected, unavailable, dropped, lost, abandoned" }, [m.rejected, m.unavailable, m.dropped, m.lost, m.abandoned].map(integer).join(" · ")),
    el("td", {}, integer(m.slow)),
    el("td", {}, `${micros(m.queue.p50_ns / 1000)} / ${micros(m.queue.p99_ns / 1000)}`), el("td", {}, `${micros(m.handling.p50_ns / 1000)} / ${micros(m.handling.p99_ns / 1000)}`)));
  const incidents = [...node.incidents].reverse().map((i) => el("tr", {},
    el("td", {}, clock(i.unix_ms)), el("td", {}, integer(i.generation)), el("td", { class: "text" }, i.reason)));
  const samples = (history[path] || {}).rate || [];
  $("actor").replaceChildren(
    el("p", {}, el("a", { href: "#/" }, "← all actors")),
    el("h2", {}, node.name, " ", state(node), " ", crashButton(node)),
    el("p", { class: "hint" }, el("code", {}, node.path), node.arbiter ? ` on arbiter ${node.arbiter}` : "", node.doing ? `, in ${node.doing}` : "",
      node.stuck ? `, does not answer for ${duration(node.stuck.for_ms)} in ${node.stuck.doing || node.stuck.blocked_by || "an unknown place"}` : ""),
    el("section", { id: "cards-actor", class: "charts" },
      card(integer(node.generation), "generation"), card(duration(node.uptime_ms), "up"),
      card(node.mailbox ? `${integer(node.mailbox.depth)} of ${integer(node.mailbox.capacity)}` : "–", "in the mailbox"),
      card(integer(node.restarts), "restarts"),
      el("div", { class: "card" }, spark(samples, "messages a second over the last 15 minutes"), el("span", {}, "messages a second, 15 minutes"))),
    el("section", {}, el("h2", {}, "Messages"), el("div", { class: "scroll" }, lines.length
      ? table(["message", "handled", "a second", "failed", "not handled", "slow", "queued p50 / p99", "handled in p50 / p99"], lines)
      : el("p", { class: "empty panel" }, "None yet."))),
    el("section", {}, el("h2", {}, "Last failures"), el("div", { class: "scroll" }, incidents.length
      ? table(["at", "generation", "reason"], incidents) : el("p", { class: "empty panel" }, "None."))));
}

function draw() {
  if (!last) return;
  const { status, tree } = last;
  const broken = flatten(tree).filter((node) => node.stuck || ["failed", "backing_off"].includes(node.state)).length;
  $("summary").textContent = `${status.version} · chain ${status.chain_id} · up ${duration(status.uptime_ms)} · ${flatten(tree).length} nodes, ${broken ? `${broken} not well` : "all well"}`;
  const match = location.hash.match(/^#\/actor\/(.+)$/);
  $("overview").hidden = Boolean(match);
  $("actor").hidden = !match;
  if (match) { drawActor(last, decodeURIComponent(match[1])); return; }
  drawCards(last); drawTree(last); drawBlocks(last); drawRpc(last);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && location.hash !== "#/") { location.hash = "#/"; return; }
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const nodes = [...$("tree").querySelectorAll("[data-path]")];
  if (!nodes.length || $("overview").hidden) return;
  event.preventDefault();
  const at = nodes.indexOf(document.activeElement);
  nodes[Math.min(nodes.length - 1, Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1)))].focus();
});
window.addEventListener("hashchange", () => { draw(); window.scrollTo(0, 0); });

function online(yes) {
  $("link").textContent = yes ? "live" : "offline";
  $("link").className = `badge ${yes ? "online" : "offline"}`;
}

const events = new EventSource("/api/events");
events.onmessage = (event) => { last = JSON.parse(event.data); online(true); draw(); };
events.onerror = () => online(false);
