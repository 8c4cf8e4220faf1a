// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Bundles the tests (Node 20 reads no TypeScript) and runs those whose names hold one of the words given.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = join(root, ".test", String(process.pid)); // below the package, so that its dependencies are found
const words = process.argv.slice(2);
const names = readdirSync(join(root, "test")).filter((name) => name.endsWith(".test.ts") && (words.length === 0 || words.some((word) => name.includes(word))));

await build({
  absWorkingDir: root,
  entryPoints: [...names.map((name) => `test/${name}`), "test/support/driver.ts"],
  outbase: "test",
  outdir: out,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  packages: "external",
  sourcemap: "inline",
  logLevel: "warning",
});
const files = names.map((name) => join(out, name.replace(/\.ts$/, ".js")));
const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-concurrency=2", ...files], { stdio: "inherit", cwd: root });
rmSync(out, { recursive: true, force: true });
process.exit(run.status ?? 1);
