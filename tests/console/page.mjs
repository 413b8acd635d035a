// As much of a page as the modules touch, in memory: enough to see that they build what they mean to, not how a browser shows it.

import { readFileSync } from "node:fs";
import { CONSOLE } from "./texts.mjs";

class Node {
  constructor(name) {
    Object.assign(this, { name, attributes: {}, children: [], listeners: {}, style: {}, dataset: {}, value: "", files: [], hidden: false });
    this.classList = { toggle: (one, on) => (this.attributes.class = on ? one : "") };
  }

  append(...children) {
    this.children.push(...children);
  }

  replaceChildren(...children) {
    this.children = children;
  }

  setAttribute(name, value) {
    this.attributes[name] = String(value);
    if (name === "checked" || name === "disabled") this[name] = true;
  }

  removeAttribute(name) {
    delete this.attributes[name];
  }

  addEventListener(event, listener) {
    (this.listeners[event] ??= []).push(listener);
  }

  async fire(event, more = {}) {
    for (const listener of this.listeners[event] ?? []) await listener({ target: this, preventDefault() {}, ...more });
  }

  get textContent() {
    return this.children.map((child) => child.textContent ?? String(child)).join(" ");
  }

  set textContent(text) {
    this.children = text === "" ? [] : [text];
  }

  get lang() {
    return this.attributes.lang ?? "";
  }

  set lang(value) {
    this.attributes.lang = value;
  }

  get hash() {
    return this.attributes.href ?? "";
  }

  *all() {
    yield this;
    for (const child of this.children) if (child instanceof Node) yield* child.all();
  }

  /** By tag or "[data-NAME]", with what may stand around it left out: that is all that is asked. */
  querySelectorAll(selector) {
    const [, attribute] = /^\[(.+)\]$/.exec(selector) ?? [];
    const tag = selector.split(" ").at(-1);
    return [...this.all()].filter((node) => (attribute ? attribute in node.attributes : node.name === tag));
  }

  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }

  getContext() {
    return { putImageData: (data) => (this.painted = data) };
  }

  focus() {
    globalThis.document.activeElement = this;
  }

  showModal() {
    this.open = true;
  }

  close() {
    this.open = false;
  }

  scrollIntoView() {}
}

/** The tree of index.html, by tags alone. */
function parsed(markup) {
  const root = new Node("root");
  const open = [root];
  for (const [, slash, tag, rest] of markup.replace(/<!--.*?-->/gs, "").matchAll(/<(\/?)(\w+)([^>]*)>/g)) {
    if (slash) {
      open.pop();
      continue;
    }
    const node = new Node(tag);
    for (const [, name, , value] of rest.matchAll(/([\w-]+)(="([^"]*)")?/g)) {
      node.setAttribute(name, value ?? "");
      if (name.startsWith("data-")) node.dataset[name.slice(5)] = value;
      if (name === "hidden") node.hidden = true;
    }
    open.at(-1).append(node);
    if (!["meta", "link", "input"].includes(tag)) open.push(node);
  }
  return root;
}

/** Puts a fresh page in force; `answer` says what a call comes to: a status, what is said, and its media type. */
export function open(answer) {
  const root = parsed(readFileSync(new URL("index.html", CONSOLE), "utf8"));
  const calls = [];
  const page = new Node("document");
  const document = {
    createElement: (name) => new Node(name),
    createElementNS: (_, name) => new Node(name),
    getElementById: (id) => [...root.all()].find((node) => node.attributes.id === id) ?? null,
    querySelectorAll: (selector) => root.querySelectorAll(selector),
    addEventListener: (event, listener) => page.addEventListener(event, listener),
    documentElement: root, body: root.querySelector("body"), hidden: false,
  };
  const storage = () => {
    const held = new Map();
    const [getItem, removeItem] = [(name) => held.get(name) ?? null, (name) => held.delete(name)];
    return { held, getItem, setItem: (name, value) => held.set(name, value), removeItem };
  };
  const stubs = {
    document, sessionStorage: storage(), localStorage: storage(),
    location: { hash: "", origin: "http://console.test", hostname: "console.test", protocol: "http:" },
    window: { addEventListener: (event, listener) => page.addEventListener(event, listener) },
    ImageData: class {
      constructor(bytes) {
        this.bytes = bytes;
      }
    },
    FileReader: class {
      addEventListener(event, listener) {
        this[event] = listener;
      }

      readAsDataURL(file) {
        this.result = `data:image/png;base64,${file.base64}`;
        queueMicrotask(() => this.load());
      }
    },
    fetch: async (path, asked = {}) => {
      if (path.startsWith("texts.")) return { json: async () => JSON.parse(readFileSync(new URL(path, CONSOLE), "utf8")) };
      calls.push({ path, ...asked });
      const { status = 200, said, type = "application/json" } = answer(path, asked);
      return { ok: status < 400, status, headers: new Headers({ "content-type": type }), json: async () => said, text: async () => said };
    },
  };
  Object.assign(globalThis, stubs);
  // Newer versions of node have one of their own, which cannot be assigned.
  Object.defineProperty(globalThis, "navigator", { value: { language: "zh-CN" }, configurable: true });
  Object.assign(URL, { createObjectURL: (file) => `blob:${file.name}`, revokeObjectURL() {} });
  return { root, calls, fire: (event, more) => page.fire(event, more), find: (id) => document.getElementById(id) };
}
