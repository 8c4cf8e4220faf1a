/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

/* How the report looks, by day and by night. Colours of lines are told apart also by those who see no red or green. */
#ifndef BENCH_PAGE_STYLE_H
#define BENCH_PAGE_STYLE_H

static const char *const page_style[] = {
    ":root{color-scheme:light "
    "dark;--bg:#fbfbf9;--card:#fff;--ink:#1d2327;--soft:#5d6a72;--rule:#e2e5e3;--bar:#dcebe6;--own:#0b7a5e;"
    "--good:#0b7a5e;--bad:#b4451f;--c0:#0b7a5e;--c1:#8a949b;--c2:#c2571a;--c3:#3069c6;--c4:#7b4fc9;--c5:#b3273f;--c6:#8a7a00;"
    "--c7:#0092a8}\n",
    "@media(prefers-color-scheme:dark){:root{--bg:#14181b;--card:#1b2125;--ink:#e6eaec;--soft:#98a5ad;--rule:#2c353b;--bar:#"
    "1f3d36;"
    "--own:#4fd0a8;--good:#4fd0a8;--bad:#f08a5d;--c0:#4fd0a8;--c1:#9aa6ad;--c2:#f0955d;--c3:#7aa8f5;--c4:#b598f2;--c5:#f27c8f;"
    "--c6:#d8c74a;--c7:#4fc9dd}}\n",
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,\"Segoe "
    "UI\","
    "Roboto,\"Liberation Sans\",sans-serif}main{max-width:1180px;margin:0 auto;padding:32px 20px 80px}\n",
    "h1{font-size:30px;margin:0 0 4px;letter-spacing:-.02em}h2{font-size:22px;margin:48px 0 12px;letter-spacing:-.01em}"
    "h3{font-size:16px;margin:0 0 2px}p{margin:4px 0}.soft,small{color:var(--soft)}small{font-size:13px}\n",
    "code{font:12.5px/1.5 ui-monospace,\"SF Mono\",Menlo,Consolas,\"Liberation Mono\",monospace;overflow-wrap:anywhere}"
    "a{color:var(--own)}\n",
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:16px 0}dt{color:var(--soft)}dd{margin:0}\n",
    ".card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:18px 20px;margin:16px "
    "0;overflow-x:auto}\n",
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin:10px 0 4px}"
    "th{font-weight:600;font-size:13px;color:var(--soft);text-align:right;border-bottom:1px solid var(--rule);padding:5px 9px;"
    "white-space:nowrap}td{text-align:right;padding:5px 9px;border-bottom:1px solid "
    "var(--rule);white-space:nowrap;position:relative}"
    "tr:last-child td{border-bottom:0}th:first-child,td:first-child{text-align:left;white-space:normal;padding-left:0}\n",
    "td:first-child{min-width:170px}td i{position:absolute;left:3px;right:auto;bottom:2px;height:3px;border-radius:2px;"
    "background:var(--soft);opacity:.35}td.own{font-weight:650;color:var(--own)}td.own i{background:var(--own);opacity:.8}"
    "td.none{color:var(--soft);cursor:help}td.goal{white-space:normal;color:var(--soft);font-size:13px;min-width:110px}"
    ".good{color:var(--good)}.bad{color:var(--bad)}\n",
    ".note{font-size:13px;color:var(--soft);margin:2px 0}.note.bad{color:var(--bad)}.plots{display:grid;"
    "grid-template-columns:repeat(auto-fit,minmax(min(440px,100%),1fr));gap:16px;margin-top:8px}\n",
    "figure{margin:0}figcaption{font-size:13px;color:var(--soft);margin:0 0 2px}svg{width:100%;height:auto;display:block;"
    "max-width:700px}.grid{stroke:var(--rule);stroke-width:1}.tick,.label,.name{font-size:11px;fill:var(--soft);"
    "font-family:inherit}.name{fill:var(--ink)}.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n",
    ".line-0{stroke:var(--c0);stroke-width:3}.line-1{stroke:var(--c1);stroke-dasharray:6 4}.line-2{stroke:var(--c2)}"
    ".line-3{stroke:var(--c3)}.line-4{stroke:var(--c4);stroke-dasharray:2 4}.line-5{stroke:var(--c5)}"
    ".line-6{stroke:var(--c6);stroke-dasharray:9 3}.line-7{stroke:var(--c7)}\n",
    ".dot-0{fill:var(--c0)}.dot-1{fill:var(--c1)}.dot-2{fill:var(--c2)}.dot-3{fill:var(--c3)}.dot-4{fill:var(--c4)}"
    ".dot-5{fill:var(--c5)}.dot-6{fill:var(--c6)}.dot-7{fill:var(--c7)}\n",
    ".figures{font-size:13px}.figures td,.figures th{padding:1px 9px}.figures tr td{border-bottom-color:transparent}details "
    "summary{cursor:pointer;color:var(--soft);font-size:13px}@media print{.card{break-inside:avoid}}\n",
};

#endif
