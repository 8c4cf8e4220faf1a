// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// dist/esm, dist/cjs (each with its declarations), and dist/ahora.min.js for a script tag. AHORA_JS_OUT names another place than dist.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { INTERNAL } from "./internal.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const out = resolve(process.env.AHORA_JS_OUT ?? join(root, "dist"));
const entries = ["index", "react", "msgpack", "kinds"].map((name) => join(root, `src/${name}.ts`));
const mangleProps = new RegExp(`^(${INTERNAL.join("|")})$`);
const common = { bundle: true, target: "es2022", platform: "neutral", logLevel: "warning", absWorkingDir: root, mangleProps };
const external = ["react", "@msgpack/msgpack"];
const banner = { js: "// SPDX-FileCopyrightText: The ahora authors\n// SPDX-License-Identifier: Apache-2.0" };

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({ ...common, banner, entryPoints: entries, outdir: join(out, "esm"), format: "esm", splitting: true, external });
await build({ ...common, banner, entryPoints: entries, outdir: join(out, "cjs"), format: "cjs", external });
await build({
  ...common,
  banner,
  entryPoints: [join(root, "src/bundle.ts")],
  outfile: join(out, "ahora.min.js"),
  format: "iife",
  globalName: "Ahora",
  minify: true,
});
writeFileSync(join(out, "cjs/package.json"), '{ "type": "commonjs" }\n');

if (!process.argv.includes("--no-types")) {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", join(out, "esm")], { stdio: "inherit" });
  for (const name of readdirSync(join(out, "esm"), { recursive: true })) {
    if (name.endsWith(".d.ts")) {
      mkdirSync(dirname(join(out, "cjs", name)), { recursive: true });
      cpSync(join(out, "esm", name), join(out, "cjs", name));
    }
  }
}
