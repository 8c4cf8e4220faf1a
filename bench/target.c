/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "bench/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One worker, as all others have; messages in memory, one a channel: the last value. */
static const char nchan_config[] =
    "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;\n"
    "worker_processes 1;\ndaemon off;\nerror_log stderr crit;\npid {dir}/pid;\nuser root;\n"
    "worker_rlimit_nofile 100000;\n"
    "events { worker_connections 50000; use epoll; multi_accept on; }\n"
    "http {\n"
    "  access_log off;\n  tcp_nodelay on;\n  keepalive_requests 1000000000;\n  keepalive_timeout 1d;\n"
    "  client_body_temp_path {dir}/body;\n  proxy_temp_path {dir}/proxy;\n"
    "  fastcgi_temp_path {dir}/fastcgi;\n  uwsgi_temp_path {dir}/uwsgi;\n"
    "  scgi_temp_path {dir}/scgi;\n"
    "  client_body_buffer_size 64k;\n  nchan_shared_memory_size 1024M;\n"
    "  server {\n    listen 127.0.0.1:{port} backlog=4096;\n"
    "    location ~ ^/pub/(.*)$ { nchan_publisher; nchan_channel_id $1;\n"
    "      nchan_message_buffer_length 64; nchan_message_timeout 1h; }\n"
    "    location ~ ^/sub/(.*)$ { nchan_subscriber websocket; nchan_channel_id $1;\n"
    "      nchan_subscriber_first_message -1; }\n"
    "  }\n}\n";

/* 2.0.11 does not start with a WebSocket listener alone. */
static const char mosquitto_config[] =
    "listener {port2} 127.0.0.1\nlistener {port} 127.0.0.1\nprotocol websockets\nallow_anonymous true\npersistence false\n"
    "log_type none\nset_tcp_nodelay true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
    "sys_interval 0\n";

static const char nats_config[] =
    "listen: \"127.0.0.1:{port2}\"\n"
    "websocket { listen: \"127.0.0.1:{port}\", no_tls: true, compression: false }\n"
    "ping_interval: \"1h\"\nwrite_deadline: \"60s\"\nmax_pending: 512MB\nmax_payload: 1MB\nlogtime: false\n";

static const char kv_config[] =
    "listen: \"127.0.0.1:{port2}\"\n"
    "websocket { listen: \"127.0.0.1:{port}\", no_tls: true, compression: false }\n"
    "jetstream { store_dir: \"{dir}/js\", max_memory_store: 2GB }\n"
    "ping_interval: \"1h\"\nwrite_deadline: \"60s\"\nmax_pending: 512MB\nmax_payload: 1MB\nlogtime: false\n";

#define REDIS_ARGUMENTS                                                                                                        \
    "--port {port} --bind 127.0.0.1 --dir {dir} --save --appendonly no --loglevel warning --maxclients 50000 "                 \
    "--tcp-backlog 4096 --protected-mode no --client-output-buffer-limit pubsub 0 0 0 --io-threads 1"

static const char tls_config[] = "[tls]\ncertificate = {dir}/cert.pem\nkey = {dir}/key.pem\n";

static const struct target targets[] = {
    {.name = "ahora",
     .about = "this broker",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK | CAN_SKIP | CAN_BE_AHORA,
     .seeds = DIALECT_MSGPACK,
     .reads = DIALECT_MSGPACK,
     .writes = DIALECT_MSGPACK},
    {.name = "ahora-tls",
     .about = "this broker over TLS 1.3, with a certificate of its own",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK | CAN_SKIP | CAN_BE_AHORA,
     .is_secure = true,
     .seeds = DIALECT_MSGPACK,
     .reads = DIALECT_MSGPACK,
     .writes = DIALECT_MSGPACK,
     .config = tls_config},
    {.name = "raw",
     .about = "bare epoll loop, one send() for each subscriber and turn: the limit of one core",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK | CAN_SKIP,
     .cannot = "it has no history, patterns or rights",
     .seeds = DIALECT_RAW,
     .reads = DIALECT_RAW,
     .writes = DIALECT_RAW},
    {.name = "bun",
     .about = "a Bun server of 40 lines (uWebSockets), WebSocket, last value in a map",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK,
     .cannot = "it publishes to topics and keeps the last value; there is nothing more",
     .seeds = DIALECT_RAW,
     .reads = DIALECT_RAW,
     .writes = DIALECT_RAW,
     .programs = {"{peers}/node_modules/bun/bin/bun.exe", "{peers}/node_modules/.bin/bun", "bun"},
     .arguments = "{server} {port}",
     .version = "--version"},
    {.name = "lws",
     .about = "a server of 250 lines on libwebsockets, by its manual: a message per WRITEABLE callback, last value in a table",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK,
     .cannot = "it publishes to topics and keeps the last value; there is nothing more",
     .seeds = DIALECT_RAW,
     .reads = DIALECT_RAW,
     .writes = DIALECT_RAW,
     .programs = {"{peers}/lws_server"},
     .arguments = "{port}",
     .version = "--version"},
    {.name = "nats",
     .about = "NATS core over WebSocket",
     .abilities = CAN_DELIVER | CAN_ACK,
     .cannot = "core NATS keeps no last value",
     .seeds = DIALECT_NATS,
     .reads = DIALECT_NATS,
     .writes = DIALECT_NATS,
     .programs = {"nats-server", "/usr/sbin/nats-server"},
     .arguments = "-c {config}",
     .config = nats_config,
     .version = "--version"},
    {.name = "nats-kv",
     .about = "NATS JetStream key-value bucket in memory over WebSocket: publishes go to the bucket, subscribers read the last "
              "value",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK,
     .cannot = "its clients queue for slow readers, and drop them",
     .seeds = DIALECT_NATS_KV,
     .reads = DIALECT_NATS_KV,
     .writes = DIALECT_NATS_KV,
     .programs = {"nats-server", "/usr/sbin/nats-server"},
     .arguments = "-c {config}",
     .config = kv_config,
     .version = "--version"},
    {.name = "redis",
     .about = "Redis pub/sub over TCP (no WebSocket), last value by GET; only seeds are SET, so publishing pays for no store",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK,
     .cannot = "pub/sub and keys are two things: a change is not kept, nothing is resumed",
     .seeds = DIALECT_REDIS_KEPT,
     .reads = DIALECT_REDIS,
     .writes = DIALECT_REDIS,
     .programs = {"redis-server"},
     .arguments = REDIS_ARGUMENTS,
     .version = "--version"},
    {.name = "nchan",
     .about = "nginx with nchan: WebSocket subscribers, HTTP publishers, messages in memory",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK,
     .cannot = "it replays a buffer of messages; there is no state to resume",
     .seeds = DIALECT_NCHAN_POST,
     .reads = DIALECT_NCHAN,
     .writes = DIALECT_NCHAN_POST,
     .programs = {"nginx", "/usr/sbin/nginx"},
     .arguments = "-p {dir} -c {config}",
     .config = nchan_config,
     .version = "-v"},
    {.name = "mosquitto",
     .about = "MQTT 3.1.1 over WebSocket, retained messages, QoS 0 (acknowledged: QoS 1)",
     .abilities = CAN_DELIVER | CAN_JOIN | CAN_ACK,
     .cannot = "MQTT has no versions: nothing is resumed or passed over",
     .seeds = DIALECT_MQTT,
     .reads = DIALECT_MQTT,
     .writes = DIALECT_MQTT,
     .programs = {"mosquitto", "/usr/sbin/mosquitto"},
     .arguments = "-c {config}",
     .config = mosquitto_config,
     .version = "-h"},
};

_Static_assert(sizeof targets / sizeof targets[0] <= TARGETS_MAX, "a list of all of them has room");

const struct target *target_at(size_t index) {
    return index < sizeof targets / sizeof targets[0] ? &targets[index] : NULL;
}

const struct target *target_find(const char *name) {
    for (size_t i = 0; target_at(i) != NULL; i++) {
        if (strcmp(targets[i].name, name) == 0) {
            return &targets[i];
        }
    }
    return NULL;
}

/* ---- expanding ---- */

static void value_of(const char *name, size_t name_bytes, const struct target_places *places, char *out, size_t out_bytes) {
    snprintf(out, out_bytes, "%s", "");
    if (strncmp(name, "dir", name_bytes) == 0) {
        snprintf(out, out_bytes, "%s", places->directory);
    } else if (strncmp(name, "config", name_bytes) == 0) {
        snprintf(out, out_bytes, "%s", places->config);
    } else if (strncmp(name, "peers", name_bytes) == 0) {
        snprintf(out, out_bytes, "%s", places->peers);
    } else if (strncmp(name, "server", name_bytes) == 0) {
        snprintf(out, out_bytes, "%s/bun_server.js", places->peers);
    } else if (name_bytes == 4) {
        snprintf(out, out_bytes, "%u", places->port);
    } else {
        snprintf(out, out_bytes, "%u", places->port_beside);
    }
}

/* {port} or so at `at`; 0 if it is something else, such as a brace of a configuration. */
static size_t name_at(const char *at) {
    static const char *const names[] = {"dir", "config", "peers", "server", "port", "port2"};
    for (size_t i = 0; *at == '{' && i < sizeof names / sizeof names[0]; i++) {
        size_t bytes = strlen(names[i]);
        if (strncmp(at + 1, names[i], bytes) == 0 && at[1 + bytes] == '}') {
            return bytes;
        }
    }
    return 0;
}

bool target_expand(const char *text, const struct target_places *places, char *out, size_t out_bytes) {
    size_t used = 0;
    while (*text != '\0') {
        char value[256];
        size_t name_bytes = name_at(text);
        if (name_bytes > 0) {
            value_of(text + 1, name_bytes, places, value, sizeof value);
            text += name_bytes + 2;
        } else {
            snprintf(value, sizeof value, "%c", *text++);
        }
        size_t bytes = strlen(value);
        if (used + bytes + 1 > out_bytes) {
            return false;
        }
        memcpy(out + used, value, bytes);
        used += bytes;
    }
    out[used] = '\0';
    return true;
}

/* ---- finding ---- */

static bool find_in_path(const char *name, char *out, size_t out_bytes) {
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        int bytes = (int)strcspn(path, ":");
        snprintf(out, out_bytes, "%.*s/%s", bytes, path, name);
        if (access(out, X_OK) == 0) {
            return true;
        }
        path += bytes + (path[bytes] == ':');
    }
    return false;
}

bool target_find_program(const struct target *target, const char *peers, char *out, size_t out_bytes) {
    struct target_places places = {.directory = "", .config = "", .peers = peers};
    size_t count = sizeof target->programs / sizeof target->programs[0];
    for (size_t i = 0; i < count && target->programs[i] != NULL; i++) {
        char name[256];
        if (!target_expand(target->programs[i], &places, name, sizeof name)) {
            continue;
        }
        if (strchr(name, '/') == NULL ? find_in_path(name, out, out_bytes) : access(name, X_OK) == 0) {
            if (strchr(name, '/') != NULL) {
                snprintf(out, out_bytes, "%s", name);
            }
            return true;
        }
    }
    return false;
}

void target_version(const struct target *target, const char *program, char *out, size_t out_bytes) {
    char command[600];
    out[0] = '\0';
    if (target->version == NULL) {
        snprintf(out, out_bytes, "%s", AHORA_VERSION);
        return;
    }
    snprintf(command, sizeof command, "'%s' %s 2>&1 </dev/null", program, target->version);
    FILE *said = popen(command, "r");
    if (said == NULL) {
        return;
    }
    if (fgets(out, (int)out_bytes, said) != NULL) {
        out[strcspn(out, "\r\n")] = '\0';
    }
    pclose(said);
}
