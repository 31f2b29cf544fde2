// Evaluates expressions as JavaScript does: one case per line in, one answer per line out.
// The realm is changed where Stepwell differs on purpose (rows D5-D7 and D14 of the semantics page):
// objects have no inherited properties, and half of a surrogate pair becomes U+FFFD.
"use strict";
const vm = require("node:vm");
const realm = vm.createContext(Object.create(null));

vm.runInContext(`(() => {
  "use strict";
  const hide = (owner, names) => names.forEach((name) => delete owner[name]);
  const define = (owner, name, value) => Object.defineProperty(owner, name, { value, writable: true, configurable: true });
  const everywhere = ["constructor", "valueOf", "hasOwnProperty", "__proto__"];
  [Array, String, Number, Boolean].forEach((type) => hide(type.prototype, everywhere));
  const wellFormed = (value) =>
    typeof value === "string" ? value.toWellFormed() : Array.isArray(value) ? value.map(wellFormed) : value;
  for (const name of ["at", "charAt", "slice", "substring", "split", "padStart", "padEnd", "replace", "replaceAll"]) {
    const original = String.prototype[name];
    define(String.prototype, name, function (...args) { return wellFormed(original.apply(this, args)); });
  }
  for (const name of ["values", "entries"]) {
    const original = Object[name];
    define(Object, name, (value) => typeof value === "string" ? wellFormed(original(value)) : original(value));
  }
  const join = Array.prototype.join;
  define(Array.prototype, Symbol.toPrimitive, function () { return join.call(this); });
  define(Array.prototype, "toString", function () { return join.call(this); });
  define(Object.prototype, Symbol.toPrimitive, () => "[object Object]");
  hide(Object.prototype, Object.getOwnPropertyNames(Object.prototype));
  // Row D14: typeof never fails.
  define(globalThis, "T", (evaluate) => { try { return evaluate(); } catch { return "undefined"; } });
})()`, realm);

const parse = vm.runInContext("JSON.parse", realm);

function encode(value) {
  if (value === undefined) return "u";
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return "n" + (Object.is(value, -0) ? "-0" : String(value));
  if (typeof value === "string") return JSON.stringify(value.toWellFormed());
  if (Array.isArray(value)) return "[" + Array.from(value, encode).join(",") + "]";
  if (typeof value === "object") {
    return "{" + Object.keys(value).map((key) => JSON.stringify(key) + ":" + encode(value[key])).join(",") + "}";
  }
  return "?" + typeof value;
}

function answer({ source, scope, syntaxOnly }) {
  const names = Object.keys(scope);
  let compiled;
  try {
    compiled = vm.compileFunction(`return (${source}\n)`, names, { parsingContext: realm });
  } catch (error) {
    return "!" + error.name;
  }
  if (syntaxOnly) return "parsed";
  try {
    return encode(compiled(...names.map((name) => parse(scope[name]))));
  } catch (error) {
    return "!" + error.name;
  }
}

const lines = require("node:fs").readFileSync(0, "utf8").split("\n").filter(Boolean);
process.stdout.write(lines.map((line) => answer(JSON.parse(line))).join("\n") + "\n");
