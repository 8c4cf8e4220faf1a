/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "proto/kinds.h"

#include "proto/embed.h"

EMBED(kind_order, "proto/kinds/order.json");
EMBED(kind_room, "proto/kinds/room.json");
EMBED(kind_service, "proto/kinds/service.json");
EMBED(kind_stock, "proto/kinds/stock.json");

bool kind_text_at(size_t index, struct kind_text *text) {
    const struct {
        const char *name, *begin, *end;
    } kinds[] = {
        {"order", kind_order_begin, kind_order_end},
        {"room", kind_room_begin, kind_room_end},
        {"service", kind_service_begin, kind_service_end},
        {"stock", kind_stock_begin, kind_stock_end},
    };
    if (index >= sizeof kinds / sizeof kinds[0]) {
        return false;
    }
    *text = (struct kind_text){kinds[index].name, span_of(kinds[index].begin, (size_t)(kinds[index].end - kinds[index].begin))};
    return true;
}
