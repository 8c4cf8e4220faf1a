/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/route.h"

#include "broker/net/api.h"

#include <stdio.h>
#include <string.h>

/* The first that fits is taken: paths with a suffix stand before those without. */
static const struct route routes[] = {
    {"/v1/ws", NULL, {[HTTP_GET] = &api_websocket}},
    {"/v1/publish", NULL, {[HTTP_POST] = &api_publish}},
    {"/v1/topics", NULL, {[HTTP_GET] = &api_topics_list}},
    {"/v1/topics/", "/adjust", {[HTTP_POST] = &api_topic_adjust}},
    {"/v1/topics/",
     NULL,
     {[HTTP_GET] = &api_topic_get,
      [HTTP_PUT] = &api_topic_put,
      [HTTP_PATCH] = &api_topic_patch,
      [HTTP_DELETE] = &api_topic_delete}},
    {"/v1/kinds", NULL, {[HTTP_GET] = &api_kinds}},
    {"/v1/kinds/", NULL, {[HTTP_GET] = &api_kind}},
    {"/v1/range", NULL, {[HTTP_POST] = &api_range}},
    {"/v1/stream", NULL, {[HTTP_GET] = &api_stream}},
    {"/v1/admin/sessions", NULL, {[HTTP_GET] = &api_admin_sessions}},
    {"/v1/admin/sessions/slowest", NULL, {[HTTP_GET] = &api_admin_slowest}},
    {"/v1/admin/disconnect", NULL, {[HTTP_POST] = &api_admin_disconnect}},
    {"/v1/admin/drain", NULL, {[HTTP_POST] = &api_admin_drain}},
    {"/v1/admin/reload", NULL, {[HTTP_POST] = &api_admin_reload}},
    {"/v1/admin/revoke", NULL, {[HTTP_POST] = &api_admin_revoke}},
    {"/v1/admin/backup", NULL, {[HTTP_POST] = &api_admin_backup}},
    {"/v1/status", NULL, {[HTTP_GET] = &api_status}},
    {"/openapi.json", NULL, {[HTTP_GET] = &api_openapi}},
    {"/asyncapi.json", NULL, {[HTTP_GET] = &api_asyncapi}},
    {"/livez", NULL, {[HTTP_GET] = &api_livez}},
    {"/readyz", NULL, {[HTTP_GET] = &api_readyz}},
    {"/metrics", NULL, {[HTTP_GET] = &api_metrics}},
    {"/", NULL, {[HTTP_GET] = &api_root}},
    {"/demo", NULL, {[HTTP_GET] = &api_demo}},
    {"/page/", NULL, {[HTTP_GET] = &api_page}},
    {"/ahora.js", NULL, {[HTTP_GET] = &api_page_script}},
};

const struct route *route_at(size_t index) {
    return index < sizeof routes / sizeof routes[0] ? &routes[index] : NULL;
}

bool route_works_while_loading(const struct handler *handler) {
    return handler == &api_livez || handler == &api_readyz || handler == &api_metrics || handler == &api_root ||
           handler == &api_demo || handler == &api_page || handler == &api_page_script;
}

bool route_is_public(const struct handler *handler) {
    static const struct handler *const handlers[] = {
        &api_websocket, &api_stream, &api_topics_list, &api_topic_get,   &api_kinds,   &api_kind,     &api_livez,
        &api_readyz,    &api_demo,   &api_page,        &api_page_script, &api_openapi, &api_asyncapi,
    };
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i] == handler) {
            return true;
        }
    }
    return false;
}

static bool fits(const struct route *route, struct span path, struct span *rest) {
    size_t prefix = strlen(route->path);
    if (prefix == 1 || route->path[prefix - 1] != '/') {
        *rest = (struct span){path.data + path.bytes, 0};
        return span_is(path, route->path);
    }
    size_t suffix = route->suffix != NULL ? strlen(route->suffix) : 0;
    if (path.bytes < prefix + suffix || memcmp(path.data, route->path, prefix) != 0) {
        return false;
    }
    *rest = (struct span){path.data + prefix, path.bytes - prefix - suffix};
    return suffix == 0 || memcmp(rest->data + rest->bytes, route->suffix, suffix) == 0;
}

static void put_allow(const struct route *route, char *allow, size_t bytes) {
    size_t used = strlen(allow);
    for (int i = 0; i < HTTP_METHODS; i++) {
        if (route->handlers[i] != NULL && used < bytes) {
            const char *head = i == HTTP_GET ? ", HEAD" : "";
            used += (size_t)snprintf(allow + used, bytes - used, "%s%s%s", used > 0 ? ", " : "",
                                     http_method_name((enum http_method)i), head);
        }
    }
}

struct route_match route_find(struct span path, enum http_method method) {
    struct route_match match = {0};
    enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct span rest;
        if (!fits(&routes[i], path, &rest)) {
            continue;
        }
        if (routes[i].handlers[wanted] != NULL) {
            match.handler = routes[i].handlers[wanted];
            match.rest = rest;
            match.allow[0] = '\0';
            return match;
        }
        put_allow(&routes[i], match.allow, sizeof match.allow);
    }
    return match;
}
