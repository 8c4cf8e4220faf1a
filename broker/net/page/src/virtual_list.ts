// SPDX-FileCopyrightText: The ahora authors
// SPDX-License-Identifier: Apache-2.0
//
// A list of any length of which only what is seen is in the page: rows of one height, elements that are used again. A listbox for the
// keyboard and for screen readers: arrows, Home, End, Page Up and Down.
import { make, mark } from "./dom.ts";

const SPARE_ROWS = 6; // above and below, so that scrolling does not show bare ground

export interface VirtualRows<Row extends HTMLElement> {
  make: () => Row;
  /** Fills the row with what stands under this key now. */
  fill: (row: Row, key: string) => void;
  select: (key: string) => void;
}

export class VirtualList<Row extends HTMLElement> {
  readonly element: HTMLElement;
  private readonly space = make("div", { class: "space", role: "presentation" });
  private readonly rows = new Map<number, Row>(); // by place in the list
  private readonly spare: Row[] = [];
  private keys: readonly string[] = [];
  private selected: string | null = null;

  constructor(label: string, private readonly rowPx: number, private readonly how: VirtualRows<Row>) {
    this.element = make("div", { class: "virtual", role: "listbox", tabindex: 0, "aria-label": label }, this.space);
    this.element.addEventListener("scroll", () => this.paint(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.onKey(event));
    this.space.addEventListener("click", (event) => {
      const row = (event.target as Element).closest<HTMLElement>("[data-place]");
      const key = row === null ? undefined : this.keys[Number(row.dataset.place)];
      if (key !== undefined) this.choose(key);
    });
    new ResizeObserver(() => this.paint()).observe(this.element);
  }

  setKeys(keys: readonly string[]): void {
    this.keys = keys;
    this.space.style.height = `${keys.length * this.rowPx}px`;
    this.paint();
  }

  get count(): number {
    return this.keys.length;
  }

  /** Marks it and tells; scrolls only as far as needed. */
  choose(key: string): void {
    this.selected = key;
    this.reveal(this.keys.indexOf(key));
    this.paint();
    this.how.select(key);
  }

  paint(): void {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.rowPx) - SPARE_ROWS);
    const last = Math.min(this.keys.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / this.rowPx) + SPARE_ROWS);
    for (const [place, row] of this.rows) {
      if (place >= first && place < last) continue;
      row.hidden = true;
      this.rows.delete(place);
      this.spare.push(row);
    }
    let active = "";
    for (let place = first; place < last; place++) {
      const key = this.keys[place] as string;
      const row = this.rows.get(place) ?? this.place(place);
      this.how.fill(row, key);
      const isSelected = key === this.selected;
      if (isSelected) active = row.id;
      if ((row.getAttribute("aria-selected") === "true") !== isSelected) row.setAttribute("aria-selected", String(isSelected));
      row.setAttribute("aria-setsize", String(this.keys.length));
      mark(row, "chosen", isSelected);
    }
    if (active !== (this.element.getAttribute("aria-activedescendant") ?? "")) {
      if (active === "") this.element.removeAttribute("aria-activedescendant");
      else this.element.setAttribute("aria-activedescendant", active);
    }
  }

  private place(place: number): Row {
    const row = this.spare.pop() ?? this.create();
    row.hidden = false;
    row.dataset.place = String(place);
    row.style.transform = `translateY(${place * this.rowPx}px)`;
    row.setAttribute("aria-posinset", String(place + 1));
    this.rows.set(place, row);
    return row;
  }

  private create(): Row {
    const row = this.how.make();
    row.id = `${this.element.id}-row-${this.space.childElementCount}`;
    row.setAttribute("role", "option");
    row.style.height = `${this.rowPx}px`;
    this.space.append(row);
    return row;
  }

  private reveal(place: number): void {
    if (place < 0) return;
    const top = place * this.rowPx;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.rowPx > scrollTop + clientHeight) this.element.scrollTop = top + this.rowPx - clientHeight;
  }

  private onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowPx) - 1);
    const steps: Record<string, number> = {
      ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity,
    };
    const step = steps[event.key];
    if (step === undefined || this.keys.length === 0) return;
    event.preventDefault();
    const from = this.selected === null ? -1 : this.keys.indexOf(this.selected);
    const to = Math.min(this.keys.length - 1, Math.max(0, (from < 0 && step < 0 ? 0 : from) + step));
    this.choose(this.keys[to] as string);
  }
}
