// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// The made-up town: streets every 120 m, x to the east and y to the north of the market. packaging/demo.awk drives in the same streets.

export type Point = [lat: number, lon: number];

export const CENTRE: Point = [50.7753, 6.0839];
const BLOCK_LAT = 0.001079;
const BLOCK_LON = 0.001706;
export const COLUMNS = 7; // streets to the east and to the west
export const ROWS = 5;

export function at(x: number, y: number): Point {
  return [CENTRE[0] + y * BLOCK_LAT, CENTRE[1] + x * BLOCK_LON];
}

/** Metres between two points of a town: the Earth is flat there. */
export function metres(a: Point, b: Point): number {
  const east = (a[1] - b[1]) * 111_195 * Math.cos((a[0] * Math.PI) / 180);
  return Math.hypot((a[0] - b[0]) * 111_195, east);
}

export function distance(value: number): string {
  return value < 1000 ? `${Math.round(value / 10) * 10} m` : `${(value / 1000).toFixed(1)} km`;
}

/** Branch codes as stock/{sku}/{branch_code} has them; an app knows where its branches are. */
export const branches: Record<string, { name: string; x: number; y: number }> = {
  markt: { name: "Markt", x: 0, y: 0 },
  bahnhof: { name: "Bahnhof", x: 3, y: -3 },
  dom: { name: "Dom", x: -2, y: 1 },
  campus: { name: "Campus", x: -5, y: -2 },
  hafen: { name: "Hafen", x: 5, y: 2 },
  nord: { name: "Nord", x: 1, y: 4 },
};

interface Block {
  kind: "block" | "park" | "square" | "plaza";
  corners: Point[];
}

const parks = ["-4,2", "-3,2", "-4,3", "2,-5", "3,-5", "5,-1"];
const squares = ["0,0", "-2,0"];
const EDGE = 0.08; // half a street, of a block

function corners(x: number, y: number, east: number, north: number): Point[] {
  return [at(x + EDGE, y + EDGE), at(x + east - EDGE, y + EDGE), at(x + east - EDGE, y + north - EDGE), at(x + EDGE, y + north - EDGE)];
}

/** Blocks between the streets; some are parks, some squares, some divided. */
export function blocks(): Block[] {
  const made: Block[] = [];
  for (let x = -COLUMNS; x < COLUMNS; x++) {
    for (let y = -ROWS; y < ROWS; y++) {
      const name = `${x},${y}`;
      if (parks.includes(name)) made.push({ kind: "park", corners: corners(x, y, 1, 1) });
      else if (squares.includes(name)) made.push({ kind: "square", corners: corners(x, y, 1, 1) });
      else if ((x * 7 + y * 13) % 5 === 0) {
        made.push({ kind: "block", corners: corners(x, y, 0.5 + EDGE / 2, 1) }, { kind: "block", corners: corners(x + 0.5 - EDGE / 2, y, 0.5 + EDGE / 2, 1) });
      } else made.push({ kind: "block", corners: corners(x, y, 1, 1) });
    }
  }
  return made;
}

/** West of the town, and round its south. */
export function river(): Point[] {
  const points: Point[] = [];
  for (let step = 0; step <= 40; step++) {
    const t = step / 40;
    points.push(at(-14 + 30 * t, 7.4 - 2.6 * t + 0.9 * Math.sin(9 * t)));
  }
  return points;
}

export const labels: { text: string; x: number; y: number; kind: string }[] = [
  { text: "River", x: -5.5, y: 6.85, kind: "water" },
  { text: "Stadtpark", x: -3, y: 2.75, kind: "green" },
  { text: "Südpark", x: 3, y: -4.5, kind: "green" },
];
