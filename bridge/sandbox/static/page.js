// The page asks for the state several times a second and changes only what changed:
// an element is kept while its data stays the same, so focus, scroll and typed text stay.

const $ = (id) => document.getElementById(id);
const PAUSE_MS = 700;
let etag = null;
let state = null;
let chosenTicket = null;
let replyTo = null;

function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Make the children of *parent* show *rows*, touching only those whose data changed.
function reconcile(parent, rows, keyOf, make, empty) {
  let refocus = null;
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = rows.map((row) => {
    const key = keyOf(row);
    const print = JSON.stringify(row);
    const kept = old.get(key);
    if (kept && kept.dataset.print === print) return kept;
    const made = make(row);
    made.dataset.key = key;
    made.dataset.print = print;
    if (kept?.contains(document.activeElement)) refocus = [made, document.activeElement];
    return made;
  });
  if (!wanted.length && empty) {
    if (parent.firstElementChild?.dataset.key === "empty") return;
    const notice = h("p", { class: "empty" }, empty);
    notice.dataset.key = "empty";
    wanted.push(notice);
  }
  wanted.forEach((element, place) => {
    if (parent.children[place] !== element) parent.insertBefore(element, parent.children[place] ?? null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
  if (refocus) focusLike(...refocus);
}

// An element was made anew while something in it had the focus: give it to its successor.
function focusLike(made, before) {
  const same = [...made.querySelectorAll(before.tagName)].find((one) => one.textContent === before.textContent);
  (same ?? (made.tagName === before.tagName ? made : null))?.focus();
}

const caseClass = (number) => (number ? `case${(number - 1) % 6}` : "");
const badge = (number) =>
  number ? h("span", { class: `badge ${caseClass(number)}`, title: `Loop ${number}` }, String(number)) : null;
const clock = (iso) =>
  h("time", { datetime: iso }, new Date(iso).toLocaleTimeString("en-GB", { hour12: false }));

async function act(name, data) {
  show("");
  try {
    const answer = await fetch(`/act/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(data),
    });
    if (!answer.ok) throw new Error((await answer.json()).error ?? `The sandbox answered ${answer.status}.`);
    await look();
    return true;
  } catch (error) {
    show(error instanceof TypeError ? "The sandbox does not answer. Is the demo still running?" : error.message);
    return false;
  }
}

function show(text) {
  $("error").textContent = text;
  $("error").hidden = !text;
}

function loopStrip(loop) {
  const steps = loop.steps.map((step) =>
    h("li", { class: step.done ? "step done" : "step" }, step.label,
      h("span", { class: "visually-hidden" }, step.done ? " (done)" : " (still to come)")));
  return h("li", { class: `loop ${caseClass(loop.case)}` }, badge(loop.case),
    h("span", { class: "loop-name" }, `${loop.customer} on ${loop.network}`), h("ol", {}, ...steps));
}

// A thread is a row for its head and one for each post, so that a new post leaves the others alone.
function threadRows(loop) {
  const head = { head: true, id: `head ${loop.case}`, case: loop.case, network: loop.network };
  return [head, ...loop.posts.map((one) => ({ ...one, case: loop.case }))];
}

function threadRow(row) {
  if (!row.head) return post(row);
  return h("div", { class: `thread-head ${caseClass(row.case)}` }, badge(row.case), h("span", {}, row.network));
}

function post(one) {
  const kind = ["post", one.own ? "own" : "", one.answer ? "answer" : "", one.deleted ? "deleted" : "", caseClass(one.case)];
  const meta = h("div", { class: "meta" }, h("span", { class: "who" }, `@${one.author}`), clock(one.at),
    one.edited ? h("span", {}, "edited") : null, one.deleted ? h("span", {}, "deleted by its author") : null,
    ...one.tags.map((tag) => h("span", { class: "chip" }, tag)));
  const body = h("div", { class: "words" }, one.text);
  if (one.own || one.deleted) return h("div", { class: kind.join(" ") }, meta, body);
  return h("div", { class: kind.join(" ") }, meta, body, postActs(one));
}

function postActs(one) {
  const choose = h("select", { "aria-label": `Tag the post of ${one.author} as the social team`, onchange: tagIt },
    h("option", { value: "" }, "Tag…"), ...state.tags.map((tag) => h("option", { value: tag }, tag)));
  function tagIt() {
    if (choose.value) act("tag", { network: one.network, id: one.id, tag: choose.value });
  }
  return h("div", { class: "post-acts" },
    h("button", { type: "button", class: "plain", onclick: () => startReply(one) }, "Answer"),
    h("button", { type: "button", class: "plain", onclick: () => act("delete", { network: one.network, id: one.id }) },
      "Delete"),
    choose);
}

function startReply(one) {
  replyTo = one;
  const form = $("post-form");
  form.author.value = one.author;
  form.network.value = one.network;
  form.network.disabled = true;
  $("replying").firstElementChild.textContent = `In the thread, under “${one.text.slice(0, 60)}”.`;
  $("replying").hidden = false;
  form.text.focus();
}

function endReply() {
  replyTo = null;
  $("post-form").network.disabled = false;
  $("replying").hidden = true;
}

function ticketTab(ticket) {
  return h("button", {
    type: "button", class: "tab", "aria-pressed": String(ticket.id === chosenTicket),
    onclick: () => { chosenTicket = ticket.id; renderTickets(); },
  }, badge(ticket.case), `#${ticket.id}`, h("span", { class: `status ${ticket.status}` }, ticket.status));
}

function ticketHead(ticket) {
  return h("div", {}, h("p", { class: "subject" }, ticket.subject),
    h("dl", {}, ...ticket.facts.flatMap((fact) => [h("dt", {}, fact.label), h("dd", {}, fact.value)])));
}

function comment(one) {
  return h("div", { class: one.public ? "comment" : "comment internal" },
    h("div", { class: "meta" }, h("span", { class: "who" }, one.author), clock(one.at),
      h("span", {}, one.public ? (one.staff ? "public reply" : "customer") : "internal note")),
    h("div", { class: "words" }, one.text));
}

function renderTickets() {
  const tickets = state.tickets;
  if (!tickets.some((one) => one.id === chosenTicket)) chosenTicket = tickets.at(-1)?.id ?? null;
  const tabs = tickets.map((one) => ({ id: one.id, case: one.case, status: one.status, chosen: one.id === chosenTicket }));
  reconcile($("ticket-list"), tabs, (one) => String(one.id), ticketTab);
  const ticket = tickets.find((one) => one.id === chosenTicket);
  const rows = ticket
    ? [{ head: true, id: ticket.id, subject: ticket.subject, facts: ticket.facts },
       ...ticket.comments.map((one) => ({ ...one, ticket: ticket.id }))]
    : [];
  $("comment-form").hidden = !ticket || ticket.status === "closed";
  following("ticket", () => reconcile($("ticket"), rows,
    (row) => (row.head ? `head ${row.id}` : `comment ${row.id}`),
    (row) => (row.head ? ticketHead(row) : comment(row)),
    "No ticket yet. A tagged post opens one in its team’s group."));
}

function part(one, card) {
  if (one.kind === "buttons") {
    return h("div", { class: "buttons" }, ...one.buttons.map((button) =>
      h("button", {
        type: "button", class: button.style,
        onclick: () => act("press", { channel: card.channel, ts: card.ts, action_id: button.action_id, value: button.value }),
      }, button.label)));
  }
  const runs = (one.runs ?? []).map((run) => {
    if (run.href) return h("a", { href: run.href, target: "_blank", rel: "noreferrer" }, run.text);
    return run.bold ? h("strong", {}, run.text) : run.text;
  });
  return h("div", { class: `part ${one.kind}` }, ...runs);
}

function card(one) {
  return h("article", { class: `card ${caseClass(one.case)}` },
    h("div", { class: "meta" }, badge(one.case), h("span", { class: "who" }, `#${one.channel_name}`), clock(one.at),
      one.edited ? h("span", {}, "edited") : null),
    ...one.parts.map((row) => part(row, one)),
    ...one.thread.map((note) => h("div", { class: "note words" }, note.text)));
}

function whisper(one) {
  return h("article", { class: "card" },
    h("div", { class: "meta" }, h("span", { class: "who" }, one.title || "Only visible to you")),
    ...one.parts.map((row) => part(row, one)));
}

function happened(one) {
  return h("li", {}, clock(one.at), badge(one.case) ?? h("span", {}), h("span", {}, one.text));
}

function renderBridge(bridge) {
  const text = !bridge.known ? "No bridge here to watch" : bridge.up ? `Bridge up, process ${bridge.pid}` : "Bridge down";
  if ($("pulse").textContent !== text) $("pulse").textContent = text;
  $("pulse").className = `pulse ${bridge.known ? (bridge.up ? "up" : "down") : ""}`;
  $("kill").hidden = !bridge.known;
  $("kill").disabled = !bridge.up;
}

// What is read from its end, as chats are, stays at its end while news come in.
function following(id, change) {
  const box = $(id);
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  change();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function render() {
  renderBridge(state.bridge);
  reconcile($("loops"), state.loops.map(({ posts, ...rest }) => rest), (one) => String(one.case), loopStrip);
  following("threads", () => reconcile($("threads"), state.loops.flatMap(threadRows), (row) => row.id, threadRow,
    "Nobody has complained yet. Write as a customer below, then tag the post as the social team."));
  renderTickets();
  const rows = [...state.cards.toReversed(), ...state.whispers.slice(-1)];
  reconcile($("cards"), rows, (one) => one.ts ?? `whisper ${one.id}`, (one) => (one.ts ? card(one) : whisper(one)),
    "No card yet. The owning team’s channel gets one for each case.");
  reconcile($("timeline"), state.timeline.slice(-80).toReversed(), (one) => one.id, happened);
}

async function look() {
  const answer = await fetch("/state.json", { headers: etag ? { "If-None-Match": etag } : {} });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`The sandbox answered ${answer.status}.`);
  etag = answer.headers.get("ETag");
  state = await answer.json();
  render();
}

async function watch() {
  let lost = false;
  for (;;) {
    try {
      await look();
      if (lost) show("");
      lost = false;
    } catch {
      lost = true;
      show("The sandbox does not answer. Is the demo still running?");
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

$("post-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const data = { author: form.author.value, text: form.text.value, language: form.language.value,
    network: form.network.value, reply_to: replyTo?.id ?? null };
  if (await act("post", data)) {
    form.text.value = "";
    endReply();
  }
});
$("new-thread").addEventListener("click", endReply);
$("comment-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const data = { ticket: chosenTicket, text: form.text.value, public: form.public.value === "yes",
    solve: event.submitter?.value === "comment-solve" };
  if (await act("comment", data)) form.text.value = "";
});
$("solve").addEventListener("click", () => act("solve", { ticket: chosenTicket }));
$("kill").addEventListener("click", () => act("kill", {}));
watch();
