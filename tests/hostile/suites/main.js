// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Usage: node main.js AHORAD [json|msgpack|names...]
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Broker } from "./broker.js";
import { Count } from "./count.js";
import { json } from "./json.js";
import { msgpack } from "./msgpack.js";
import { names } from "./names.js";

const suites = { json, msgpack, names };
const [binary, ...wanted] = process.argv.slice(2);
const kinds = join(dirname(fileURLToPath(import.meta.url)), "../../integration/kinds");
let failures = 0;

for (const name of wanted.length > 0 ? wanted : Object.keys(suites)) {
  const broker = await Broker.start(binary, kinds);
  const count = new Count(name);
  let things = 0;
  try {
    things = await suites[name](broker, count);
  } catch (error) {
    count.expect(false, `${error.stack}`);
  }
  count.expect(broker.lives, "the broker ended by itself");
  const end = await broker.stop();
  count.expect(end === 0, `the broker ended with ${end}`);
  console.log(`${name}: ${things} entries, ${count.checks} checks, ${count.failures} failed`);
  failures += count.failures > 0 ? 1 : 0;
}
console.log(`${Object.keys(suites).length - failures} passed, ${failures} failed`);
process.exitCode = failures > 0 ? 1 : 0;
