/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/core/rights.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/grant.h"
#include "broker/core/mask.h"

struct rights *rights_ref(struct rights *rights) {
    if (rights != NULL) {
        rights->refs++;
    }
    return rights;
}

void rights_unref(struct rights *rights) {
    if (rights != NULL) {
        assert(rights->refs > 0);
        if (--rights->refs == 0) {
            free(rights);
        }
    }
}

const char *rights_principal(const struct rights *rights) {
    return rights == NULL ? RIGHTS_ANONYMOUS : rights->principal;
}

bool rights_cover(const struct rights *rights, const struct kinds *kinds, const struct name *pattern) {
    return rights == NULL || grants_cover(rights->subs, rights->sub_count, kinds, pattern);
}

bool rights_touch_demand(const struct rights *rights) {
    for (uint32_t i = 0; rights != NULL && i < rights->sub_count; i++) {
        if (grant_is_own(&rights->subs[i])) {
            return true;
        }
    }
    return rights == NULL;
}

bool rights_allow_change(const struct rights *rights, const struct kinds *kinds, const struct name *topic, enum change_op op) {
    return rights == NULL || ((rights->ops >> op & 1) != 0 && grants_cover(rights->pubs, rights->pub_count, kinds, topic));
}

bool rights_deny_changes(const struct rights *rights, const struct kinds *kinds, struct span changes, uint32_t count,
                         uint8_t *denied) {
    if (rights == NULL) {
        return false;
    }
    bool any = false;
    struct pack_reader reader = pack_reader_of(changes);
    (void)pack_read_list(&reader);
    memset(denied, 0, RIGHTS_DENIED_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        struct change_request change;
        struct name topic;
        if (change_decode(&reader, &change, NULL) == AHORA_OK && name_parse_topic(change.topic, &topic, NULL) == AHORA_OK &&
            !rights_allow_change(rights, kinds, &topic, change.op)) {
            denied[i / 8] |= (uint8_t)(1u << (i % 8));
            any = true;
        }
    }
    return any;
}

bool rights_allow_source(const struct rights *rights, struct span source) {
    if (rights == NULL) {
        return true;
    }
    const size_t own = strlen(rights->principal);
    if (!rights->is_anonymous && source.bytes >= own && memcmp(source.data, rights->principal, own) == 0 &&
        (source.bytes == own || source.data[own] == ':')) {
        return true;
    }
    for (uint32_t i = 0; i < rights->source_count; i++) {
        const struct span granted = rights->sources[i];
        const size_t prefix = granted.bytes - 1;
        if (span_equal(granted, source) || (granted.data[prefix] == '*' && source.bytes >= prefix &&
                                            (prefix == 0 || memcmp(granted.data, source.data, prefix) == 0))) {
            return true;
        }
    }
    return false;
}

bool rights_show_where(const struct rights *rights, const struct where *where) {
    if (rights == NULL || rights->mask.data == NULL || where == NULL) {
        return true;
    }
    for (uint32_t i = 0; i < where->count; i++) {
        if (!mask_shows(rights->mask, where->conditions[i].path, where->conditions[i].depth)) {
            return false;
        }
    }
    return true;
}

/* Wherever `near` may look for a position in a document of the kind (circle.h). */
static bool shows_place_of(struct span mask, const struct kind *kind) {
    struct span path[FIELD_PATH_MAX + 1];
    const struct span lat = span_of_text("lat");
    const struct span lon = span_of_text("lon");
    for (uint32_t i = 0; i < kind->position.count; i++) {
        path[i] = kind->position.keys[i];
    }
    const uint32_t count = kind->position.count;
    path[count] = lat;
    bool shown = mask_shows(mask, path, count + 1);
    path[count] = lon;
    shown = shown && mask_shows(mask, path, count + 1);
    return shown && mask_shows(mask, &lat, 1) && mask_shows(mask, &lon, 1);
}

bool rights_show_place(const struct rights *rights, const struct kinds *kinds, const struct name *pattern) {
    if (rights == NULL || rights->mask.data == NULL) {
        return true;
    }
    const struct span first = pattern->segments[0];
    const struct kind *kind;
    for (size_t i = 0; (kind = kinds_at(kinds, i)) != NULL; i++) {
        if ((first.data[0] == '*' || span_is(first, kind->name)) && !shows_place_of(rights->mask, kind)) {
            return false;
        }
    }
    return true;
}
