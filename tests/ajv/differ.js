// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Draws schemas of kinds and documents from a seed, and compares what the broker's table says of them (judge.c) with what ajv says, in
// both dialects. Usage: node differ.js JUDGE [SEED [SCHEMAS]]
//
// Left out on purpose, because the two differ there and ours is the standard's word: a URI that ends after its scheme (RFC 3986 allows it),
// one whose authority is none but would do as a path (`http://a:8x`: ajv takes it), `urn:uuid:` before a UUID (RFC 9562 has none), integers
// that a double cannot hold (ajv reads numbers as doubles), and a required field whose name is empty (ajv never misses it).
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import Ajv07 from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const [judge, seedText = "1", schemasText = "1500"] = process.argv.slice(2);
const documentsOfSchema = 12;

// ---- dice: mulberry32 ----

let dice = Number(seedText) >>> 0;
function random() {
  dice = (dice + 0x6d2b79f5) | 0;
  let t = Math.imul(dice ^ (dice >>> 15), 1 | dice);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const chance = (p) => random() < p;
const pick = (list) => list[below(list.length)];

// ---- scalars ----

const words = ["", "a", "b", "ab", "open", "close", "ä", "€uro", "😀", "a😀b", "A", "true", "1", "null", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"];
const numbers = [0, 1, -1, 2, 3, 5, 0.5, -0.5, 1.5, 2.25, 100, -100, 65535, 65536, 9007199254740991, -9007199254740991, 1e21, 1e300, -1e300, 1e-7, 0.1];
const digits = (n) => Array.from({ length: n }, () => below(10)).join("");
const hex = (n) => Array.from({ length: n }, () => pick("0123456789abcdefABCDEF")).join("");

function drawDate() {
  return chance(0.8)
    ? `${pick(["2027", "2028", "1900", "2000", "0000", digits(4)])}-${String(below(14)).padStart(2, "0")}-${String(below(33)).padStart(2, "0")}`
    : pick(["2027-2-01", "2027-02-1", "2027-02-01T", " 2027-02-01", "2027/02/01", "20270201", "2027-02-0a"]);
}

function drawUuid() {
  const uuid = [8, 4, 4, 4, 12].map((n) => hex(chance(0.95) ? n : n - 1)).join(chance(0.97) ? "-" : "");
  return chance(0.05) ? uuid + "x" : uuid;
}

function drawHost() {
  if (chance(0.3)) {
    const groups = Array.from({ length: chance(0.5) ? 8 : below(10) }, () => hex(1 + below(chance(0.9) ? 4 : 6)));
    if (chance(0.6)) groups.splice(below(groups.length + 1), chance(0.6) ? below(4) : 0, "");
    if (chance(0.2)) groups.push([below(300), below(256), below(256), chance(0.9) ? below(256) : "01"].join("."));
    return `[${chance(0.3) ? ":" : ""}${groups.join(":")}${chance(0.2) ? ":" : ""}]`;
  }
  return pick(["a", "example.com", "1.2.3.4", "", "a%20b", "a b", "[v1.x:y]", "[v.x]", "[::1", "ä", "a_b~c", "[::]", "[::ffff:1.2.3.4]"]);
}

function drawUri() {
  const scheme = pick(["http", "https", "urn", "a+b-c.d", "1a", "", "ä"]);
  const authority = chance(0.7) ? `//${pick(["", "", "u@", "u:p@", "u%3A@"])}${drawHost()}${pick(["", "", ":80", ":"])}` : "";
  const paths = ["", "/", "/a/b", "/a//b", "/%41", "/%4", "/a b", "//", "/[", "/ä", "/a@b:c"];
  const path = pick(authority === "" ? [...paths, "a:b", "isbn:123"] : paths);
  return `${scheme}:${authority}${path}${pick(["", "", "?q=1", "?a/b?c", "?[", "? "])}${pick(["", "", "#f", "#a/b?c", "##", "#["])}`;
}

const drawText = { date: drawDate, uuid: drawUuid, uri: drawUri };
const drawScalar = () => pick([() => pick(words), () => pick(numbers), () => chance(0.5), () => null])();

// ---- schemas ----

const names = ["a", "b", "c", "available", "price", "status", "n/m", "x~y", "ä", "", "expected_arrival_from_at", "expected_arrival_until_at"];
const types = ["object", "array", "string", "number", "integer", "boolean", "null"];
const unique = (list) => [...new Map(list.map((item) => [JSON.stringify(item), item])).values()];
const some = (list, n) => unique(Array.from({ length: n }, () => pick(list)));

function drawType() {
  return chance(0.6) ? pick(types) : some(types, 1 + below(3));
}

function drawField(depth) {
  const schema = {};
  if (chance(0.6)) schema.type = drawType();
  if (chance(0.1)) schema.enum = unique(Array.from({ length: 1 + below(5) }, drawScalar));
  if (chance(0.04)) schema.const = drawScalar();
  if (chance(0.2)) schema.minimum = pick(numbers);
  if (chance(0.2)) schema.maximum = pick(numbers);
  if (chance(0.15)) schema.minLength = below(4);
  if (chance(0.15)) schema.maxLength = below(5);
  if (chance(0.2)) schema.format = pick(Object.keys(drawText));
  if (chance(0.15)) schema.minItems = below(3);
  if (chance(0.15)) schema.maxItems = below(4);
  if (chance(0.1)) schema.title = "t";
  if (chance(0.1)) schema.default = [{ any: "thing" }];
  if (chance(0.1)) schema.examples = [1, {}];
  if (depth < 4 && chance(0.3)) schema.items = drawField(depth + 1);
  if (depth < 4 && chance(0.35)) addProperties(schema, depth);
  return schema;
}

function addProperties(schema, depth) {
  schema.properties = Object.fromEntries(some(names, 1 + below(6)).map((name) => [name, drawField(depth + 1)]));
  const declared = Object.keys(schema.properties).filter((name) => name !== "");
  if (declared.length > 0 && chance(0.4)) schema.required = some(declared, 1 + below(2));
  if (chance(0.4)) schema.additionalProperties = pick([true, false, null]);
  if (schema.additionalProperties === null) schema.additionalProperties = depth < 4 ? drawField(depth + 1) : true;
}

function drawSchema() {
  const schema = { $schema: "http://json-schema.org/draft-07/schema#", "x-ahora": { address: "k/{a}" } };
  if (chance(0.5)) schema.type = chance(0.8) ? "object" : ["object", "null"];
  addProperties(schema, 1);
  return schema;
}

// ---- documents: what the schema wants, mostly ----

function drawAny(depth) {
  if (depth < 5 && chance(0.15)) return Array.from({ length: below(4) }, () => drawAny(depth + 1));
  if (depth < 5 && chance(0.15)) return Object.fromEntries(some(names, below(4)).map((name) => [name, drawAny(depth + 1)]));
  return drawScalar();
}

function drawNumber(schema) {
  const near = [schema.minimum, schema.maximum].filter((bound) => bound !== undefined && Math.abs(bound) < 1e9);
  return near.length > 0 && chance(0.7) ? pick(near) + pick([0, 0, 1, -1, 0.5, -0.5]) : pick(numbers);
}

function drawFor(schema, depth) {
  if (chance(0.08)) return drawAny(depth);
  if ("const" in schema && chance(0.8)) return schema.const;
  if (schema.enum && chance(0.8)) return pick(schema.enum);
  const wanted = schema.type === undefined ? pick(types) : Array.isArray(schema.type) ? pick(schema.type) : schema.type;
  switch (wanted) {
    case "object":
      return drawObject(schema, depth);
    case "array":
      return Array.from({ length: below(5) }, () => (schema.items ? drawFor(schema.items, depth + 1) : drawAny(depth + 1)));
    case "string":
      return schema.format && chance(0.85) ? drawText[schema.format]() : pick(words);
    case "number":
    case "integer":
      return drawNumber(schema);
    case "boolean":
      return chance(0.5);
    default:
      return null;
  }
}

function drawObject(schema, depth) {
  const object = {};
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (chance(schema.required?.includes(name) ? 0.95 : 0.6)) object[name] = drawFor(field, depth + 1);
  }
  if (chance(0.25)) {
    const other = schema.additionalProperties;
    object["other"] = other && typeof other === "object" ? drawFor(other, depth + 1) : drawAny(depth + 1);
  }
  return object;
}

// ---- writing: a whole number may be written as a float ----

function write(value) {
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${write(item)}`).join(",")}}`;
  }
  if (typeof value === "number") {
    const text = String(value).replace("e+", "e");
    if (Number.isInteger(value) && Math.abs(value) >= 2 ** 53) return /e/.test(text) ? text : text + ".0"; // beyond our integers
    return Number.isInteger(value) && chance(0.15) ? pick([text + ".0", text + "e0"]) : text;
  }
  return JSON.stringify(value);
}

// Schemas are written plainly.
const writeSchema = (schema) => JSON.stringify(schema).replace(/(\d)e\+(\d)/g, "$1e$2");

function endsAfterScheme(value) {
  if (typeof value === "string") return /^[a-z][a-z0-9+.-]*:($|[?#])/i.test(value);
  return value !== null && typeof value === "object" && Object.values(value).some(endsAfterScheme);
}

// ---- both judges ----

const options = { strict: false, allErrors: false, validateFormats: true };
const dialects = [
  addFormats(new Ajv07(options), ["date", "uri", "uuid"]),
  addFormats(new Ajv2020(options), ["date", "uri", "uuid"]),
].map((ajv) => ajv.addVocabulary(["x-ahora"]));

function judgeByAjv(schema, documents) {
  const { $schema, $id, ...bare } = schema;
  return dialects.map((ajv) => {
    const check = ajv.compile(bare);
    const verdicts = documents.map((document) => (check(document) ? "1" : "0")).join("");
    ajv.removeSchema(bare);
    return verdicts;
  });
}

function drawCases() {
  const cases = [];
  for (let i = 0; i < Number(schemasText); i++) {
    const schema = drawSchema();
    const texts = [];
    while (texts.length < documentsOfSchema) {
      const document = drawObject(schema, 1);
      if (!endsAfterScheme(document)) texts.push(write(document));
    }
    cases.push({ schema, texts });
  }
  return cases;
}

// The broker's own schemas must be schemas for ajv too, strictly.
function checkOwn() {
  for (const file of readdirSync(new URL("../../proto/kinds", import.meta.url))) {
    const schema = JSON.parse(readFileSync(new URL(`../../proto/kinds/${file}`, import.meta.url)));
    const ajv = addFormats(new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true })).addVocabulary(["x-ahora"]);
    ajv.compile(schema);
  }
}

checkOwn();
const cases = drawCases();
const input = cases.map(({ schema, texts }) => `${writeSchema(schema)}\n[${texts.join(",")}]\n`).join("");
const run = spawnSync(judge, [], { input, encoding: "utf8", maxBuffer: 1 << 30 });
if (run.status !== 0) throw new Error(`${judge} failed: ${run.stderr}`);
const ours = run.stdout.trimEnd().split("\n");
let differences = 0;
let legal = 0;
cases.forEach(({ schema, texts }, i) => {
  const [draft07, draft2020] = judgeByAjv(schema, texts.map((text) => JSON.parse(text)));
  legal += [...draft07].filter((verdict) => verdict === "1").length;
  for (let j = 0; j < texts.length; j++) {
    if (ours[i] !== undefined && ours[i][j] === draft07[j] && draft07[j] === draft2020[j]) continue;
    if (differences++ < 10) {
      console.log(`schema ${i}: ${writeSchema(schema)}\n  document ${texts[j]}\n  broker ${ours[i].length > texts.length ? ours[i] : ours[i][j]}, draft-07 ${draft07[j]}, 2020-12 ${draft2020[j]}`);
    }
  }
});
const documents = cases.length * documentsOfSchema;
console.log(`seed ${seedText}: ${cases.length} schemas, ${documents} documents, ${legal} of them legal, ${differences} differences`);
process.exit(differences === 0 && ours.length === cases.length ? 0 : 1);
