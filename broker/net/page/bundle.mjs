// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// Bundles the pages and the script-tag client. Usage: node bundle.mjs OUT
// Prints what each file weighs, as it is and as gzip sends it.
import { build } from "esbuild";
import { cp, mkdir, readFile, readdir } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.resolve(process.argv[2] ?? "out");
const client = path.resolve(here, "../../../clients/js/src");
const common = {
  bundle: true,
  minify: true,
  target: ["es2022"],
  outdir: out,
  legalComments: "eof", // uPlot and Leaflet want their notices kept
  logLevel: "warning",
  absWorkingDir: here,
  tsconfig: "tsconfig.json", // says where @ahora/client is
  loader: { ".png": "empty", ".svg": "empty" }, // Leaflet's stylesheet names pictures that nothing here shows
};

await mkdir(out, { recursive: true });
await build({ ...common, format: "esm", entryPoints: { dashboard: "src/dashboard.ts", demo: "src/demo.ts" } });
await build({ ...common, format: "iife", entryPoints: { theme: "src/theme.ts" } });
await build({ ...common, format: "iife", globalName: "Ahora", entryPoints: { ahora: path.join(client, "bundle.ts") } });
await cp(path.join(here, "static"), out, { recursive: true });

for (const name of (await readdir(out)).sort()) {
  if (!/\.(js|css|html|svg)$/.test(name)) continue;
  const bytes = await readFile(path.join(out, name));
  console.log(`  PAGE  ${name.padEnd(16)} ${String(bytes.length).padStart(7)} bytes, ${String(gzipSync(bytes, { level: 9 }).length).padStart(6)} gzipped`);
}
