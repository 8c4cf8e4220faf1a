/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/store/checkpoint.h"

#include "broker/base/bytes.h"
#include "broker/base/checksum.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define MAP_BYTES_FIRST ((size_t)16 << 20)       /* grows by doubling: few steps to any size, and an idle store stays small */
#define SPACE_SCARCE_BYTES ((uint64_t)256 << 20) /* more than one transaction takes: 10,000 puts of a few pages each */
#define VALUE_VERSION 1
#define VALUE_VERSION_AT 8
#define VALUE_RECORD_AT 9
#define KEYS_LOOKED_AT_MAX (2 * CHECKPOINT_PUTS_MAX) /* a transaction, for old ones */

static enum result result_of_mdb(int code) {
    switch (code) {
    case MDB_SUCCESS:
        return RESULT_OK;
    case MDB_NOTFOUND:
        return RESULT_NOT_FOUND;
    case MDB_MAP_FULL:
        return RESULT_AGAIN;
    case MDB_VERSION_MISMATCH:
        return RESULT_VERSION;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_PANIC:
        return RESULT_DAMAGED;
    default:
        return code > 0 ? result_of_errno(code) : RESULT_IO;
    }
}

static bool space_is_scarce(MDB_env *env) {
    mdb_filehandle_t file;
    struct statvfs status;
    return mdb_env_get_fd(env, &file) == 0 && fstatvfs(file, &status) == 0 && status.f_blocks > 0 && /* 0: without limit */
           (uint64_t)status.f_bavail * status.f_frsize < SPACE_SCARCE_BYTES;
}

/* Of a call that writes. A disk that has some space, but not enough, takes a part of the write, and LMDB makes EIO of that. */
static enum result result_of_write(MDB_env *env, int code) {
    return code == EIO && space_is_scarce(env) ? RESULT_NO_SPACE : result_of_mdb(code);
}

/* Either way nothing of the transaction stays but what was committed. */
static enum result commit(MDB_txn *txn, int code) {
    MDB_env *env = mdb_txn_env(txn);
    if (code == 0) {
        code = mdb_txn_commit(txn);
    } else {
        mdb_txn_abort(txn);
    }
    return result_of_write(env, code);
}

/* ---- the meta ---- */

/* u32 version | u32 clean | i64 seq | i64 floor | epoch | boot id | place | u64 checksum */
#define META_EPOCH_AT 24
#define META_BOOT_AT (META_EPOCH_AT + AHORA_EPOCH_BYTES_MAX)
#define META_PLACE_AT (META_BOOT_AT + IDENTITY_BOOT_BYTES)
#define META_CHECKSUM_AT (META_PLACE_AT + IDENTITY_PLACE_BYTES)
#define META_BYTES (META_CHECKSUM_AT + 8)

static void meta_encode(uint8_t *bytes, const struct checkpoint_meta *meta) {
    bytes_put_u32(bytes, CHECKPOINT_VERSION);
    bytes_put_u32(bytes + 4, meta->clean);
    bytes_put_u64(bytes + 8, (uint64_t)meta->seq);
    bytes_put_u64(bytes + 16, (uint64_t)meta->floor);
    memcpy(bytes + META_EPOCH_AT, meta->epoch, AHORA_EPOCH_BYTES_MAX);
    memcpy(bytes + META_BOOT_AT, meta->boot_id, IDENTITY_BOOT_BYTES);
    memcpy(bytes + META_PLACE_AT, meta->place, IDENTITY_PLACE_BYTES);
    bytes_put_u64(bytes + META_CHECKSUM_AT, checksum_of(bytes, META_CHECKSUM_AT, 0));
}

/* A newer version may be longer, but keeps the version in front and the checksum behind. */
static enum result meta_decode(struct checkpoint_meta *meta, const uint8_t *bytes, size_t length) {
    if (length < 12 || bytes_get_u64(bytes + length - 8) != checksum_of(bytes, length - 8, 0)) {
        return RESULT_DAMAGED;
    }
    if (bytes_get_u32(bytes) != CHECKPOINT_VERSION || length != META_BYTES) {
        return RESULT_VERSION;
    }
    *meta = (struct checkpoint_meta){
        .clean = bytes_get_u32(bytes + 4) != 0,
        .seq = (int64_t)bytes_get_u64(bytes + 8),
        .floor = (int64_t)bytes_get_u64(bytes + 16),
    };
    memcpy(meta->epoch, bytes + META_EPOCH_AT, AHORA_EPOCH_BYTES_MAX);
    memcpy(meta->boot_id, bytes + META_BOOT_AT, IDENTITY_BOOT_BYTES);
    memcpy(meta->place, bytes + META_PLACE_AT, IDENTITY_PLACE_BYTES);
    return RESULT_OK;
}

static char meta_name[] = "meta";

static MDB_val meta_key(void) {
    return (MDB_val){sizeof meta_name - 1, meta_name};
}

static int meta_put(struct checkpoint *checkpoint, MDB_txn *txn, const struct checkpoint_meta *meta) {
    uint8_t bytes[META_BYTES];
    meta_encode(bytes, meta);
    MDB_val key = meta_key();
    MDB_val value = {sizeof bytes, bytes};
    return mdb_put(txn, checkpoint->meta_table, &key, &value, 0);
}

/* ---- opening ---- */

static bool path_join(char *out, const char *path, const char *name) {
    return snprintf(out, PATH_MAX, "%s/%s", path, name) < PATH_MAX;
}

static int open_tables(struct checkpoint *checkpoint, MDB_txn *txn) {
    int code = mdb_dbi_open(txn, "topics", MDB_CREATE, &checkpoint->topics);
    code = code == 0 ? mdb_dbi_open(txn, "removals", MDB_CREATE, &checkpoint->removals) : code;
    code = code == 0 ? mdb_dbi_open(txn, "keys", MDB_CREATE, &checkpoint->keys) : code;
    return code == 0 ? mdb_dbi_open(txn, "meta", MDB_CREATE, &checkpoint->meta_table) : code;
}

static int count_topics(struct checkpoint *checkpoint, MDB_txn *txn) {
    MDB_stat stat;
    int code = mdb_stat(txn, checkpoint->topics, &stat);
    if (code == 0) {
        checkpoint->topic_count = stat.ms_entries;
        checkpoint->topic_bytes = stat.ms_leaf_pages * stat.ms_psize;
    }
    return code;
}

static enum result read_meta(struct checkpoint *checkpoint) {
    MDB_txn *txn;
    int code = mdb_txn_begin(checkpoint->env, NULL, 0, &txn);
    if (code != 0) {
        return result_of_mdb(code);
    }
    code = open_tables(checkpoint, txn);
    enum result result = result_of_mdb(code == 0 ? count_topics(checkpoint, txn) : code);
    MDB_val key = meta_key();
    MDB_val value;
    if (result == RESULT_OK) {
        result = result_of_mdb(mdb_get(txn, checkpoint->meta_table, &key, &value));
        checkpoint->has_meta = result == RESULT_OK;
    }
    if (result == RESULT_OK) {
        result = meta_decode(&checkpoint->meta, value.mv_data, value.mv_size);
        checkpoint->is_meta_damaged = result == RESULT_DAMAGED;
    }
    if (result == RESULT_OK || result == RESULT_NOT_FOUND || checkpoint->is_meta_damaged) {
        return commit(txn, 0);
    }
    mdb_txn_abort(txn);
    return result;
}

static enum result open_env(struct checkpoint *checkpoint, const char *directory) {
    int code = mdb_env_create(&checkpoint->env);
    code = code == 0 ? mdb_env_set_maxdbs(checkpoint->env, 4) : code;
    code = code == 0 ? mdb_env_set_mapsize(checkpoint->env, checkpoint->map_bytes) : code;
    /* Without the sync of the meta page a power loss may undo the last transaction, never tear one. The one that lets a segment go
       is followed by a full sync, and so is the first after a failure. */
    code = code == 0 ? mdb_env_open(checkpoint->env, directory, MDB_NOTLS | MDB_NOMETASYNC, 0600) : code;
    return result_of_mdb(code);
}

static size_t file_bytes(const char *directory) {
    char name[PATH_MAX + 16];
    struct stat status;
    snprintf(name, sizeof name, "%s/data.mdb", directory);
    return stat(name, &status) == 0 ? (size_t)status.st_size : 0;
}

/* LMDB reads its file as memory. One that was cut short would end the process by SIGBUS, wherever a missing page is first looked at; filled up it
   reads as zeros, which are no page, and that is told. Pages that were allocated and given back before they were written may be missing in a
   file that is sound, so a short file alone is no damage. */
static enum result fill_up(const struct checkpoint *checkpoint, const char *directory) {
    char name[PATH_MAX + 16];
    MDB_envinfo info;
    MDB_stat stat;
    int code = mdb_env_info(checkpoint->env, &info);
    code = code == 0 ? mdb_env_stat(checkpoint->env, &stat) : code;
    if (code != 0) {
        return result_of_mdb(code);
    }
    if (info.me_last_pgno >= checkpoint->map_bytes / stat.ms_psize) {
        return file_bytes(directory) < checkpoint->map_bytes ? RESULT_DAMAGED : RESULT_OK;
    }
    size_t wanted = (info.me_last_pgno + 1) * stat.ms_psize;
    snprintf(name, sizeof name, "%s/data.mdb", directory);
    return file_bytes(directory) >= wanted || truncate(name, (off_t)wanted) == 0 ? RESULT_OK : result_of_errno(errno);
}

enum result checkpoint_open(struct checkpoint *checkpoint, const char *path, size_t bytes_max, size_t removals_max,
                            int64_t key_keep_ms) {
    *checkpoint = (struct checkpoint){.map_bytes_max = bytes_max, .removals_max = removals_max, .key_keep_ms = key_keep_ms};
    buffer_init(&checkpoint->key_looked, UINT8_MAX);
    char directory[PATH_MAX];
    if (!path_join(directory, path, "checkpoint")) {
        return RESULT_INVALID;
    }
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        return result_of_errno(errno);
    }
    size_t stored = file_bytes(directory);
    checkpoint->map_bytes = MAP_BYTES_FIRST < bytes_max ? MAP_BYTES_FIRST : bytes_max;
    checkpoint->map_bytes = checkpoint->map_bytes < stored ? stored : checkpoint->map_bytes;
    enum result result = open_env(checkpoint, directory);
    result = result == RESULT_OK ? fill_up(checkpoint, directory) : result;
    result = result == RESULT_OK ? read_meta(checkpoint) : result;
    if (result != RESULT_OK) {
        checkpoint_close(checkpoint);
    }
    return result;
}

/* ---- values ---- */

static uint64_t value_checksum(MDB_val key, MDB_val value) {
    uint64_t seed = checksum_of(key.mv_data, key.mv_size, 0);
    return checksum_of((const uint8_t *)value.mv_data + VALUE_VERSION_AT, value.mv_size - VALUE_VERSION_AT, seed);
}

static enum result value_decode(MDB_val key, MDB_val value, struct record *record) {
    const uint8_t *bytes = value.mv_data;
    if (value.mv_size <= VALUE_RECORD_AT || bytes_get_u64(bytes) != value_checksum(key, value)) {
        return RESULT_DAMAGED;
    }
    struct span rest = {bytes + VALUE_RECORD_AT, value.mv_size - VALUE_RECORD_AT};
    if (bytes[VALUE_VERSION_AT] != VALUE_VERSION || !record_read(&rest, record) || rest.bytes > 0) {
        return RESULT_VERSION;
    }
    return RESULT_OK;
}

static int value_put(MDB_txn *txn, MDB_dbi table, MDB_val key, struct span record) {
    MDB_val value = {VALUE_RECORD_AT + record.bytes, NULL};
    int code = mdb_put(txn, table, &key, &value, MDB_RESERVE);
    if (code == 0) {
        uint8_t *bytes = value.mv_data;
        bytes[VALUE_VERSION_AT] = VALUE_VERSION;
        memcpy(bytes + VALUE_RECORD_AT, record.data, record.bytes);
        bytes_put_u64(bytes, value_checksum(key, value));
    }
    return code;
}

/* ---- loading ---- */

static enum result load_begin(struct checkpoint *checkpoint) {
    int code = mdb_txn_begin(checkpoint->env, NULL, MDB_RDONLY, &checkpoint->load);
    code = code == 0 ? mdb_cursor_open(checkpoint->load, checkpoint->topics, &checkpoint->load_cursor) : code;
    return result_of_mdb(code);
}

static enum result load_move_to_keys(struct checkpoint *checkpoint) {
    mdb_cursor_close(checkpoint->load_cursor);
    checkpoint->load_cursor = NULL;
    checkpoint->load_is_at_keys = true;
    return result_of_mdb(mdb_cursor_open(checkpoint->load, checkpoint->keys, &checkpoint->load_cursor));
}

static void load_end(struct checkpoint *checkpoint) {
    if (checkpoint->load_cursor != NULL) {
        mdb_cursor_close(checkpoint->load_cursor);
    }
    if (checkpoint->load != NULL) {
        mdb_txn_abort(checkpoint->load);
    }
    checkpoint->load_cursor = NULL;
    checkpoint->load = NULL;
    checkpoint->load_is_at_keys = false;
    checkpoint->load_has_ended = false;
}

/* One record, where the value is not damaged. */
static enum result load_value(struct checkpoint *checkpoint, struct record *records, size_t *count) {
    MDB_val key;
    MDB_val value;
    enum result result = result_of_mdb(mdb_cursor_get(checkpoint->load_cursor, &key, &value, MDB_NEXT));
    if (result == RESULT_NOT_FOUND && !checkpoint->load_is_at_keys) {
        return load_move_to_keys(checkpoint);
    }
    if (result != RESULT_OK) {
        return result;
    }
    result = value_decode(key, value, &records[*count]);
    *count += result == RESULT_OK;
    checkpoint->damaged += result == RESULT_DAMAGED;
    return result == RESULT_DAMAGED ? RESULT_OK : result;
}

enum result checkpoint_load(struct checkpoint *checkpoint, struct record *records, size_t max, size_t *count) {
    enum result result = checkpoint->load_has_ended ? RESULT_NOT_FOUND : RESULT_OK;
    *count = 0;
    if (checkpoint->load == NULL) {
        result = load_begin(checkpoint);
    }
    while (result == RESULT_OK && *count < max) {
        result = load_value(checkpoint, records, count);
    }
    if (result == RESULT_NOT_FOUND && *count > 0) {
        checkpoint->load_has_ended = true;
        return RESULT_OK;
    }
    if (result != RESULT_OK) {
        load_end(checkpoint);
    }
    return result;
}

static int drop_damaged(MDB_txn *txn, MDB_dbi table) {
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, table, &cursor);
    if (code != 0) {
        return code;
    }
    MDB_val key;
    MDB_val value;
    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct record record;
        if (value_decode(key, value, &record) == RESULT_DAMAGED && (code = mdb_cursor_del(cursor, 0)) != 0) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* ---- writing ---- */

enum result checkpoint_drop_damaged(struct checkpoint *checkpoint) {
    assert(checkpoint->load == NULL);
    MDB_txn *txn;
    int code = mdb_txn_begin(checkpoint->env, NULL, 0, &txn);
    if (code != 0) {
        return result_of_mdb(code);
    }
    code = drop_damaged(txn, checkpoint->topics);
    return commit(txn, code == 0 ? drop_damaged(txn, checkpoint->keys) : code);
}

enum result checkpoint_write_meta(struct checkpoint *checkpoint) {
    assert(checkpoint->load == NULL);
    MDB_txn *txn;
    int code = mdb_txn_begin(checkpoint->env, NULL, 0, &txn);
    if (code != 0) {
        return result_of_mdb(code);
    }
    enum result result = commit(txn, meta_put(checkpoint, txn, &checkpoint->meta));
    return result == RESULT_OK ? result_of_write(checkpoint->env, mdb_env_sync(checkpoint->env, 1)) : result;
}

static int removal_put(struct checkpoint *checkpoint, MDB_txn *txn, int64_t seq, MDB_val topic) {
    uint8_t bytes[8];
    bytes_put_u64_sorting(bytes, (uint64_t)seq);
    MDB_val key = {sizeof bytes, bytes};
    return mdb_put(txn, checkpoint->removals, &key, &topic, 0);
}

static int removal_delete(struct checkpoint *checkpoint, MDB_txn *txn, int64_t seq) {
    uint8_t bytes[8];
    bytes_put_u64_sorting(bytes, (uint64_t)seq);
    MDB_val key = {sizeof bytes, bytes};
    int code = mdb_del(txn, checkpoint->removals, &key, NULL);
    return code == MDB_NOTFOUND ? 0 : code;
}

static MDB_val entry_key(const struct newest_entry *entry) {
    return (MDB_val){entry->name.bytes, (void *)(uintptr_t)entry->name.data}; /* MDB_val has no const; LMDB only reads */
}

/* One topic, unless something as new is stored; a tombstone it replaces leaves the removals. */
static int topic_put(struct checkpoint *checkpoint, MDB_txn *txn, const struct newest_entry *entry) {
    MDB_val key = entry_key(entry);
    MDB_val value;
    int code = mdb_get(txn, checkpoint->topics, &key, &value);
    struct record stored;
    if (code == 0 && value_decode(key, value, &stored) == RESULT_OK) {
        if (stored.seq >= entry->seq) {
            return 0;
        }
        code = stored.removed ? removal_delete(checkpoint, txn, stored.seq) : 0;
    }
    if (code != 0 && code != MDB_NOTFOUND) {
        return code;
    }
    code = value_put(txn, checkpoint->topics, key, entry->bytes);
    return code == 0 && entry->removed ? removal_put(checkpoint, txn, entry->seq, key) : code;
}

/* ---- keys ---- */

static int64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One key, unless it is old or something as new is stored. */
static int key_put(struct checkpoint *checkpoint, MDB_txn *txn, const struct newest_entry *entry, int64_t oldest_ms) {
    struct span bytes = entry->bytes;
    struct record record;
    bool is_whole = record_read(&bytes, &record);
    assert(is_whole && "newest_add read it before");
    if (record.accepted_at <= oldest_ms) {
        return 0;
    }
    MDB_val key = entry_key(entry);
    MDB_val value;
    struct record stored;
    int code = mdb_get(txn, checkpoint->keys, &key, &value);
    if (code == 0 && value_decode(key, value, &stored) == RESULT_OK && stored.seq >= entry->seq) {
        return 0;
    }
    if (code != 0 && code != MDB_NOTFOUND) {
        return code;
    }
    return value_put(txn, checkpoint->keys, key, entry->bytes);
}

/* Goes on behind the last look, or from the front. */
static int look_again(struct checkpoint *checkpoint, MDB_cursor *cursor, MDB_val *key, MDB_val *value) {
    struct buffer *looked = &checkpoint->key_looked;
    if (looked->bytes == 0) {
        return mdb_cursor_get(cursor, key, value, MDB_FIRST);
    }
    *key = (MDB_val){looked->bytes, looked->data};
    return mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
}

/* Deletes the old ones among the next keys. What is damaged stays for the next start to see. Should the transaction fail, those
   looked at wait for the next round. */
static int keys_trim(struct checkpoint *checkpoint, MDB_txn *txn, int64_t oldest_ms) {
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val value;
    int code = mdb_cursor_open(txn, checkpoint->keys, &cursor);
    if (code != 0) {
        return code;
    }
    code = look_again(checkpoint, cursor, &key, &value);
    buffer_cut(&checkpoint->key_looked, 0);
    for (int left = KEYS_LOOKED_AT_MAX; code == 0; left--) {
        struct record record;
        if (left == 0) {
            buffer_put(&checkpoint->key_looked, key.mv_data, key.mv_size);
            break;
        }
        if (value_decode(key, value, &record) == RESULT_OK && record.accepted_at <= oldest_ms) {
            code = mdb_cursor_del(cursor, 0);
        }
        code = code == 0 ? mdb_cursor_get(cursor, &key, &value, MDB_NEXT) : code;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* ---- removals that are forgotten ---- */

/* The oldest removal goes, and its tombstone if the topic has not come back since. */
static int removal_forget(struct checkpoint *checkpoint, MDB_txn *txn, MDB_cursor *cursor, int64_t *floor) {
    MDB_val seq;
    MDB_val topic;
    int code = mdb_cursor_get(cursor, &seq, &topic, MDB_FIRST);
    if (code != 0) {
        return code;
    }
    int64_t removed_at = (int64_t)bytes_get_u64_sorting(seq.mv_data);
    char name[AHORA_TOPIC_BYTES_MAX]; /* a delete may move the pages that LMDB lent us */
    if (topic.mv_size > sizeof name) {
        return MDB_CORRUPTED;
    }
    memcpy(name, topic.mv_data, topic.mv_size);
    topic.mv_data = name;
    MDB_val value;
    struct record stored;
    code = mdb_get(txn, checkpoint->topics, &topic, &value);
    if (code == 0 && value_decode(topic, value, &stored) == RESULT_OK && stored.removed && stored.seq == removed_at) {
        code = mdb_del(txn, checkpoint->topics, &topic, NULL);
    }
    *floor = removed_at > *floor ? removed_at : *floor;
    return code == 0 || code == MDB_NOTFOUND ? mdb_cursor_del(cursor, 0) : code;
}

static int removals_trim(struct checkpoint *checkpoint, MDB_txn *txn, int64_t *floor) {
    MDB_stat stat;
    MDB_cursor *cursor;
    int code = mdb_stat(txn, checkpoint->removals, &stat);
    code = code == 0 ? mdb_cursor_open(txn, checkpoint->removals, &cursor) : code;
    if (code != 0) {
        return code;
    }
    for (size_t count = stat.ms_entries; code == 0 && count > checkpoint->removals_max; count--) {
        code = removal_forget(checkpoint, txn, cursor, floor);
    }
    mdb_cursor_close(cursor);
    return code;
}

/* A backup that was killed keeps its place among the readers, and with it the pages it was reading, until someone looks. */
static void free_dead_readers(struct checkpoint *checkpoint) {
    int dead;
    int code = mdb_reader_check(checkpoint->env, &dead);
    (void)code; /* the next fold looks again */
}

static enum result fold_once(struct checkpoint *checkpoint, const struct newest_entry *entries, size_t count, int64_t seq) {
    MDB_txn *txn;
    int code = mdb_txn_begin(checkpoint->env, NULL, 0, &txn);
    if (code != 0) {
        return result_of_mdb(code);
    }
    struct checkpoint_meta meta = checkpoint->meta;
    const int64_t oldest_ms = wall_ms() - checkpoint->key_keep_ms;
    for (size_t i = 0; i < count && code == 0; i++) {
        const struct newest_entry *entry = &entries[i];
        code = entry->is_key ? key_put(checkpoint, txn, entry, oldest_ms) : topic_put(checkpoint, txn, entry);
    }
    code = code == 0 ? keys_trim(checkpoint, txn, oldest_ms) : code;
    code = code == 0 ? removals_trim(checkpoint, txn, &meta.floor) : code;
    meta.seq = seq > meta.seq ? seq : meta.seq;
    code = code == 0 ? meta_put(checkpoint, txn, &meta) : code;
    enum result result = commit(txn, code);
    if (result == RESULT_OK) {
        checkpoint->meta = meta;
    }
    return result;
}

static bool map_grow(struct checkpoint *checkpoint) {
    size_t bytes =
        checkpoint->map_bytes < checkpoint->map_bytes_max / 2 ? checkpoint->map_bytes * 2 : checkpoint->map_bytes_max;
    if (bytes <= checkpoint->map_bytes || mdb_env_set_mapsize(checkpoint->env, bytes) != 0) {
        return false;
    }
    checkpoint->map_bytes = bytes;
    return true;
}

/*
 * A failed sync may have taken the meta page of the transaction before with it: the disk then still has the one before that, and the
 * pages it stands on may be reused by the second transaction from here. So the first one that succeeds again is on disk as a whole,
 * with its meta page, before there is a second.
 */
enum result checkpoint_fold(struct checkpoint *checkpoint, const struct newest_entry *entries, size_t count, int64_t seq) {
    assert(count <= CHECKPOINT_PUTS_MAX && checkpoint->load == NULL);
    enum result result;
    do {
        free_dead_readers(checkpoint);
        result = fold_once(checkpoint, entries, count, seq);
    } while (result == RESULT_AGAIN && map_grow(checkpoint));
    if (result == RESULT_OK && (seq > 0 || checkpoint->has_failed)) {
        result = result_of_write(checkpoint->env, mdb_env_sync(checkpoint->env, 1));
    }
    checkpoint->has_failed = result != RESULT_OK;
    return result;
}

size_t checkpoint_bytes(const struct checkpoint *checkpoint) {
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(checkpoint->env, &info) != 0 || mdb_env_stat(checkpoint->env, &stat) != 0) {
        return 0;
    }
    return (info.me_last_pgno + 1) * stat.ms_psize;
}

void checkpoint_close(struct checkpoint *checkpoint) {
    load_end(checkpoint);
    if (checkpoint->env != NULL) {
        mdb_env_close(checkpoint->env);
    }
    buffer_fini(&checkpoint->key_looked);
    *checkpoint = (struct checkpoint){0};
}

/* ---- copying ---- */

static enum result sync_file(const char *directory, const char *name) {
    char full[PATH_MAX];
    if (!path_join(full, directory, name)) {
        return RESULT_INVALID;
    }
    int file = open(full, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return result_of_errno(errno);
    }
    enum result result = fsync(file) == 0 ? RESULT_OK : result_of_errno(errno);
    close(file);
    return result;
}

enum result checkpoint_copy(const char *from, const char *to) {
    char source[PATH_MAX];
    char target[PATH_MAX];
    if (!path_join(source, from, "checkpoint") || !path_join(target, to, "checkpoint")) {
        return RESULT_INVALID;
    }
    MDB_env *env;
    int code = mdb_env_create(&env);
    if (code != 0) {
        return result_of_mdb(code);
    }
    code = mdb_env_open(env, source, MDB_RDONLY | MDB_NOTLS, 0600);
    code = code == 0 ? mdb_env_copy2(env, target, 0) : code;
    mdb_env_close(env);
    enum result result = result_of_mdb(code);
    result = result == RESULT_OK ? sync_file(target, "data.mdb") : result;
    return result == RESULT_OK ? sync_file(target, ".") : result;
}
