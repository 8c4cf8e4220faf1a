// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// TypeScript types from the JSON Schemas of proto/kinds, into src/generated/kinds.ts. --check: says whether that file is stale, and fails.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const kinds = join(here, "../../../proto/kinds");
const target = join(here, "../src/generated/kinds.ts");

const pascal = (name) => name.replace(/(^|_)([a-z])/g, (_, __, letter) => letter.toUpperCase());
const key = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

function scalarType(type, schema, indent) {
  switch (type) {
    case "integer":
    case "number":
      return "number";
    case "string":
      return "string";
    case "boolean":
      return "boolean";
    case "null":
      return "null";
    case "array": {
      const item = schema.items ? typeOf(schema.items, indent) : "Value";
      return `readonly ${/[|{ ]/.test(item) && !item.startsWith("{") ? `(${item})` : item}[]`;
    }
    case "object":
      return objectType(schema, indent);
    default:
      throw new Error(`a type this generator does not know: ${type}`);
  }
}

function typeOf(schema, indent) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length === 0) return "Value";
  return types.map((type) => scalarType(type, schema, indent)).join(" | ");
}

function comment(schema, indent) {
  const parts = [schema.description];
  if (schema.default !== undefined) parts.push(`Default: ${JSON.stringify(schema.default)}.`);
  const text = parts.filter(Boolean).join(" ");
  return text ? `${indent}/** ${text} */\n` : "";
}

function fields(schema, indent) {
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => `${comment(field, indent)}${indent}readonly ${key(name)}${required.has(name) ? "" : "?"}: ${typeOf(field, indent)};\n`,
  );
  return lines.join("");
}

function objectType(schema, indent) {
  if (!schema.properties) {
    const rest = schema.additionalProperties;
    return `{ readonly [name: string]: ${rest && rest !== true ? typeOf(rest, indent) : "Value"} }`;
  }
  return `{\n${fields(schema, indent + "  ")}${indent}}`;
}

const names = readdirSync(kinds).filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5)).sort();
let out = `// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0

// Made from proto/kinds by \`npm run generate\`: do not edit.

`;
const bodies = names.map((name) => {
  const schema = JSON.parse(readFileSync(join(kinds, `${name}.json`), "utf8"));
  const address = [schema["x-ahora"].address].flat().map((form) => `\`${form}\``).join(" or ");
  return `/** ${schema.title}: ${address}. ${schema.description} */\nexport interface ${pascal(name)} {\n${fields(schema, "  ")}}\n`;
});
if (bodies.some((body) => /\bValue\b/.test(body))) out += `import type { Value } from "../merge.js";\n\n`;
out += bodies.join("\n");
out += `\n/** Kind to document. Kinds of your own: \`declare module "@ahora/client" { interface Kinds { traffic: Traffic } }\`. */
export interface BuiltInKinds {
${names.map((name) => `  ${key(name)}: ${pascal(name)};\n`).join("")}}
`;

if (process.argv.includes("--check")) {
  if (readFileSync(target, "utf8") !== out) {
    console.error("src/generated/kinds.ts is stale: npm run generate");
    process.exit(1);
  }
} else {
  writeFileSync(target, out);
}
