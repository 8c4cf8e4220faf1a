/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/demand.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/ledger_internal.h"

#define PREFIX "$demand/"
#define PREFIX_BYTES (sizeof PREFIX - 1)

struct entry {
    struct table_node hashed;
    struct link all;
    struct link untold;
    struct timer due;
    struct interest_count told; /* subscribers 0: not told */
    int64_t told_ms;
    int64_t gone_ms;  /* when its last subscriber left */
    int64_t since_at; /* when its first one came, Unix ms */
    uint8_t path_bytes;
    char *path;                     /* behind the counts */
    struct interest_count counts[]; /* of each shard; `pattern` unused */
};

bool demand_init(struct demand *demand, struct ledger *ledger, size_t shard_count) {
    *demand =
        (struct demand){.ledger = ledger, .shard_count = shard_count, .allowance = ledger->limits->demand_rate_max * 1000};
    list_init(&demand->all);
    list_init(&demand->untold);
    demand->askers = calloc(shard_count, sizeof *demand->askers);
    return table_init(&demand->table) && demand->askers != NULL;
}

void demand_note_askers(struct demand *demand, size_t shard, size_t count) {
    assert(shard < demand->shard_count);
    demand->askers[shard] = count;
}

size_t demand_askers(const struct demand *demand) {
    size_t sum = 0;
    for (size_t i = 0; i < demand->shard_count; i++) {
        sum += demand->askers[i];
    }
    return sum;
}

static void destroy(struct demand *demand, struct entry *entry) {
    if (link_is_listed(&entry->untold)) {
        link_remove(&entry->untold);
        demand->untold_count--;
    }
    demand->told_count -= entry->told.subscribers > 0;
    heap_clear(&demand->dues, &entry->due);
    table_remove(&demand->table, &entry->hashed);
    link_remove(&entry->all);
    free(entry);
}

void demand_fini(struct demand *demand) {
    while (!list_is_empty(&demand->all)) {
        destroy(demand, CONTAINER_OF(demand->all.next, struct entry, all));
    }
    assert(demand->told_count == 0 && demand->untold_count == 0);
    table_fini(&demand->table);
    heap_fini(&demand->dues);
    free(demand->askers);
    *demand = (struct demand){0};
}

/* ---- entries ---- */

static struct span path_of(const struct entry *entry) {
    return span_of(entry->path, entry->path_bytes);
}

static struct entry *find(const struct demand *demand, struct span path) {
    struct table_node *node = table_first(&demand->table, table_hash(demand->ledger->hash_key, path.data, path.bytes));
    for (; node != NULL; node = table_next(node)) {
        struct entry *entry = CONTAINER_OF(node, struct entry, hashed);
        if (span_equal(path_of(entry), path)) {
            return entry;
        }
    }
    return NULL;
}

static struct entry *create(struct demand *demand, struct span path) {
    assert(path.bytes <= AHORA_TOPIC_BYTES_MAX);
    struct entry *entry = calloc(1, sizeof *entry + demand->shard_count * sizeof entry->counts[0] + path.bytes);
    if (entry == NULL) {
        return NULL;
    }
    entry->path = (char *)(entry->counts + demand->shard_count);
    memcpy(entry->path, path.data, path.bytes);
    entry->path_bytes = (uint8_t)path.bytes;
    if (!heap_reserve(&demand->dues, demand->table.count + 1 - demand->dues.count) ||
        !table_insert(&demand->table, &entry->hashed, table_hash(demand->ledger->hash_key, path.data, path.bytes))) {
        free(entry);
        return NULL;
    }
    list_append(&demand->all, &entry->all);
    return entry;
}

/* ---- when ---- */

static void be_due(struct demand *demand, struct entry *entry, int64_t due) {
    bool set = heap_set(&demand->dues, &entry->due, due);
    assert(set && "there is room for every entry");
    (void)set;
}

/* Sets the time at which the entry has something to tell, if it has. One that has nothing and nobody goes. */
static void settle(struct demand *demand, struct entry *entry) {
    const struct limits *limits = demand->ledger->limits;
    const struct interest_count wanted = interest_merge(entry->counts, demand->shard_count);
    const bool is_told = entry->told.subscribers > 0;
    if (wanted.subscribers == 0 && !is_told) {
        destroy(demand, entry);
    } else if (wanted.subscribers == 0) {
        be_due(demand, entry, entry->gone_ms + limits->demand_linger_ms);
    } else if (!is_told && !link_is_listed(&entry->untold)) {
        be_due(demand, entry, demand->ledger->mono_ms);
    } else if (is_told && (wanted.subscribers != entry->told.subscribers || wanted.every_ms != entry->told.every_ms)) {
        be_due(demand, entry, entry->told_ms + limits->demand_every_ms);
    } else {
        heap_clear(&demand->dues, &entry->due);
    }
}

bool demand_report(struct demand *demand, size_t shard, const struct interest_count *count) {
    assert(shard < demand->shard_count);
    uint8_t path[AHORA_TOPIC_BYTES_MAX];
    struct name name;
    if (PREFIX_BYTES + count->pattern.bytes > sizeof path) {
        return true;
    }
    memcpy(path, PREFIX, PREFIX_BYTES);
    memcpy(path + PREFIX_BYTES, count->pattern.data, count->pattern.bytes);
    const struct span text = span_of(path, PREFIX_BYTES + count->pattern.bytes);
    if (name_parse_held(text, &name, NULL) != AHORA_OK) {
        return true;
    }
    struct entry *entry = find(demand, text);
    if (entry == NULL && count->subscribers == 0) {
        return true;
    }
    if (entry == NULL && (entry = create(demand, text)) == NULL) {
        return false;
    }
    const uint64_t before = interest_merge(entry->counts, demand->shard_count).subscribers;
    entry->counts[shard] = (struct interest_count){.subscribers = count->subscribers, .every_ms = count->every_ms};
    const uint64_t now = interest_merge(entry->counts, demand->shard_count).subscribers;
    if (before == 0 && now > 0 && entry->told.subscribers == 0) {
        entry->since_at = demand->ledger->wall_ms;
    }
    entry->gone_ms = before > 0 && now == 0 ? demand->ledger->mono_ms : entry->gone_ms;
    settle(demand, entry);
    return true;
}

/* ---- telling ---- */

static void put_count(struct buffer *out, const struct interest_count *wanted, int64_t since_at) {
    pack_put_map(out, 3);
    pack_put_key(out, "subscribers");
    pack_put_int(out, (int64_t)wanted->subscribers);
    pack_put_key(out, "every_ms");
    pack_put_int(out, wanted->every_ms);
    pack_put_key(out, "since_at");
    pack_put_int(out, since_at);
}

/* The next one that waits because too many are told. */
static void call_next(struct demand *demand) {
    struct link *link = list_pop(&demand->untold);
    if (link != NULL) {
        demand->untold_count--;
        settle(demand, CONTAINER_OF(link, struct entry, untold));
    }
}

static bool tell_gone(struct demand *demand, struct entry *entry) {
    struct ledger *ledger = demand->ledger;
    struct topic *topic = ledger_find(ledger, path_of(entry));
    assert(topic != NULL && !topic_is_removed(topic));
    if (!own_has_room(ledger, topic->path_bytes, 0, 0)) {
        return false;
    }
    own_remove(ledger, topic, AHORA_WHY_DELETED);
    destroy(demand, entry);
    call_next(demand);
    return true;
}

static bool tell_count(struct demand *demand, struct entry *entry, const struct interest_count *wanted) {
    struct ledger *ledger = demand->ledger;
    struct name name;
    enum ahora_code code = name_parse_held(path_of(entry), &name, NULL);
    assert(code == AHORA_OK);
    (void)code;
    buffer_cut(&ledger->scratch, 0);
    put_count(&ledger->scratch, wanted, entry->since_at);
    assert(!ledger->scratch.failed && "a document of 64 bytes is always legal");
    if (!own_set(ledger, &name, kind_of_demand(), buffer_span(&ledger->scratch))) {
        return false;
    }
    demand->told_count += entry->told.subscribers == 0;
    entry->told = *wanted;
    entry->told_ms = ledger->mono_ms;
    heap_clear(&demand->dues, &entry->due);
    return true;
}

/* False: no room, it stays due. */
static bool tell(struct demand *demand, struct entry *entry) {
    const struct interest_count wanted = interest_merge(entry->counts, demand->shard_count);
    struct metrics *metrics = demand->ledger->metrics;
    if (wanted.subscribers > 0 && entry->told.subscribers == 0 &&
        demand->told_count >= demand->ledger->limits->demand_topics_max) {
        heap_clear(&demand->dues, &entry->due);
        list_append(&demand->untold, &entry->untold);
        demand->untold_count++;
        return true;
    }
    bool told = wanted.subscribers == 0 ? tell_gone(demand, entry) : tell_count(demand, entry, &wanted);
    metrics->demand_changes += told;
    return told;
}

static struct entry *first_due(const struct demand *demand) {
    struct timer *timer = heap_first(&demand->dues);
    return timer == NULL || timer->due > demand->ledger->mono_ms ? NULL : CONTAINER_OF(timer, struct entry, due);
}

/* ---- how many a second ---- */

/* A bucket of one second. */
static void fill_allowance(struct demand *demand) {
    const int64_t rate = demand->ledger->limits->demand_rate_max * 1000;
    const int64_t passed_ms = demand->ledger->mono_ms - demand->allowance_ms;
    demand->allowance_ms = demand->ledger->mono_ms;
    demand->allowance = passed_ms >= 1000 ? rate : demand->allowance + passed_ms * rate / 1000;
    demand->allowance = demand->allowance < rate ? demand->allowance : rate;
}

size_t demand_run(struct demand *demand, size_t count_max) {
    size_t count = 0;
    if (!demand->awake || !own_may_write(demand->ledger)) {
        return 0;
    }
    fill_allowance(demand);
    for (struct entry *entry; count < count_max && demand->allowance >= 1000 && (entry = first_due(demand)) != NULL; count++) {
        if (!tell(demand, entry)) {
            break;
        }
        demand->allowance -= 1000;
    }
    return count;
}

int64_t demand_next_due(const struct demand *demand) {
    const struct timer *timer = heap_first(&demand->dues);
    if (!demand->awake || timer == NULL) {
        return INT64_MAX;
    }
    int64_t due = timer->due;
    if (demand->allowance < 1000) {
        int64_t filled = demand->allowance_ms + 1 + (1000 - demand->allowance) / demand->ledger->limits->demand_rate_max;
        due = filled > due ? filled : due;
    }
    return due < demand->ledger->due_wait_ms ? demand->ledger->due_wait_ms : due;
}

/* ---- sleep ---- */

size_t demand_wake(struct demand *demand) {
    if (demand->awake || demand->ledger->limits->demand_topics_max == 0) {
        return 0;
    }
    demand->awake = true;
    size_t count = 0;
    const size_t count_max = 2 * demand->ledger->limits->demand_topics_max; /* all that may be told, and all that may be gone */
    for (struct entry *entry; count < count_max && own_may_write(demand->ledger) && (entry = first_due(demand)) != NULL;
         count++) {
        (void)tell(demand, entry);
    }
    return count;
}

void demand_sleep(struct demand *demand) {
    demand->awake = false;
}

/* ---- loading ---- */

static int64_t int_in(struct span map, const char *key) {
    struct pack_reader reader = pack_reader_of(pack_find(map, key));
    int64_t number = pack_read_int(&reader);
    return reader.failed || number < 0 ? 0 : number;
}

static bool take_told(struct demand *demand, const struct topic *topic) {
    struct entry *entry = create(demand, topic_path(topic));
    if (entry == NULL) {
        return false;
    }
    const struct span data = document_span(topic->document);
    const int64_t subscribers = int_in(data, "subscribers");
    entry->told.subscribers = subscribers > 0 ? (uint64_t)subscribers : 1;
    entry->told.every_ms = int_in(data, "every_ms");
    entry->since_at = int_in(data, "since_at");
    entry->told_ms = demand->ledger->mono_ms;
    entry->gone_ms = demand->ledger->mono_ms;
    demand->told_count++;
    settle(demand, entry);
    return true;
}

enum result demand_loaded(struct demand *demand) {
    struct tree_found found = {0};
    struct name name;
    enum ahora_code code = name_parse_pattern(span_of_text(PREFIX "**"), &name, NULL);
    assert(code == AHORA_OK);
    (void)code;
    tree_select(&demand->ledger->tree, &name, &found);
    bool fine = !found.failed;
    for (size_t i = 0; i < found.count && fine; i++) {
        const struct topic *topic = found.values[i];
        fine = topic_is_removed(topic) || take_told(demand, topic);
    }
    tree_found_fini(&found);
    return fine ? RESULT_OK : RESULT_NO_MEMORY;
}
