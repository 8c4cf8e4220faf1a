# SPDX-FileCopyrightText: The ahora authors
# SPDX-License-Identifier: Apache-2.0
#
# Made-up changes of a small town for `ahora pub -l`, one JSON object a line, until nobody reads them.
# Usage: awk -v part=town -v nights="2026-05-01 ..." -v today=5 -f demo.awk    (1: Monday) everything but taxis, about 20 changes a second
#        awk -v part=taxis -f demo.awk    taxis, until their radio fails after a minute
# It knows what it published, so it never sells what is not there; it begins by setting every document anew.

function emit(op, topic, data, more) { # more: other keys of the change, each with a comma in front
    if (data == "")
        printf "{\"op\":\"%s\",\"topic\":\"%s\"%s}\n", op, topic, more
    else
        printf "{\"op\":\"%s\",\"topic\":\"%s\",\"data\":{%s}%s}\n", op, topic, data, more
}

function pick(n) { # 1 to n
    return 1 + int(rand() * n)
}

function now(seconds) { # a tick takes longer than it sleeps, so the clock is asked
    "date +%s" | getline seconds
    close("date +%s")
    return seconds
}

function instant(seconds_ahead) { # Unix milliseconds
    return sprintf("%.0f", (now() + seconds_ahead) * 1000)
}

# ---- stock: 4 products in 6 branches, sold one by one; the first at the market sells out again and again ----

function stock_set(p, b) {
    available[p, b] = 1 + pick(9)
    emit("set", "stock/" sku[p] "/" branch[b], sprintf("\"available\":%d,\"on_hand\":%d,\"limited_at\":2,\"price\":\"%s\",\"price_currency\":\"EUR\"",
         available[p, b], available[p, b], price[p]))
}

function stock_step(p, b, pieces) {
    p = rand() < 0.3 ? 1 : pick(4)
    b = p == 1 && rand() < 0.6 ? 1 : pick(6)
    if (available[p, b] > 0) {
        available[p, b]--
        emit("adjust", "stock/" sku[p] "/" branch[b], "\"available\":-1,\"on_hand\":-1")
        if (available[p, b] == 0) {
            restock_s[p, b] = now() + 20
            emit("patch", "stock/" sku[p] "/" branch[b], "\"restock_at\":" instant(25))
        }
    } else
        courier_step()
}

# Before the time that was told.
function stock_refill(seconds, p, b, pieces) {
    for (p = 1; p <= 4; p++)
        for (b = 1; b <= 6; b++)
            if (available[p, b] == 0 && restock_s[p, b] <= seconds) {
                pieces = 5 + pick(8)
                available[p, b] = pieces
                emit("adjust", "stock/" sku[p] "/" branch[b], sprintf("\"available\":%d,\"on_hand\":%d", pieces, pieces))
                emit("patch", "stock/" sku[p] "/" branch[b], "\"restock_at\":null")
            }
}

# ---- room: 3 types for 14 nights; a stay takes or gives back one room on each of its nights ----

function is_weekend(n) { # Friday and Saturday
    return (today + n - 2) % 7 >= 4 && (today + n - 2) % 7 <= 5
}

function room_set(t, n) {
    rooms[t, n] = int(capacity[t] * (is_weekend(n) ? 0.4 : 0.8) * rand() + 0.4)
    emit("set", "room/central/" type[t] "/" night[n], sprintf("\"booking_limit\":%d,\"capacity\":%d,\"status\":\"open\",\"price\":\"%d.00\",\"price_currency\":\"EUR\"",
         rooms[t, n], capacity[t], rate[t] + (is_weekend(n) ? 20 : 0)))
}

function room_step(t, first, stay, n, step) {
    t = pick(3)
    stay = pick(3)
    first = pick(14 - stay + 1)
    step = rand() < 0.6 ? -1 : 1
    for (n = first; n < first + stay; n++)
        if (rooms[t, n] + step < 0 || rooms[t, n] + step > capacity[t])
            return
    for (n = first; n < first + stay; n++) {
        rooms[t, n] += step
        emit("adjust", "room/central/" type[t] "/" night[n], "\"booking_limit\":" step)
    }
}

# ---- order: 8 on their way at a time; a delivered one is removed and another follows ----

function order_topic(o) {
    return sprintf("order/%d", 2300 + o + 10 * round[o])
}

function order_set(o) {
    stage[o] = 1
    stops[o] = 3 + pick(5)
    emit("set", order_topic(o), sprintf("\"status\":\"confirmed\",\"provider\":\"%s\",\"stops_remaining\":%d,\"eta_at\":%s", carrier[1 + o % 3], stops[o], instant(1800 + 60 * pick(30))))
}

function order_step(o, data) {
    o = pick(8)
    if (stage[o] > stages) {
        emit("delete", order_topic(o), "")
        round[o] = (round[o] + 1) % 3
        order_set(o)
        return
    }
    if (status[stage[o]] == "out_for_delivery" && stops[o] > 1) {
        stops[o]--
        data = sprintf("\"stops_remaining\":%d,\"eta_at\":%s,%s", stops[o], instant(stops[o] * 240), position((o - 4) * 1.5, stops[o] - 4, 0, 5.5))
    } else if (++stage[o] > stages)
        return
    else if (status[stage[o]] == "delivered")
        data = "\"status\":\"delivered\",\"stops_remaining\":0,\"eta_at\":null,\"message\":\"Left with you at the door\",\"place\":\"Your door\""
    else
        data = sprintf("\"status\":\"%s\",\"message\":\"%s\",\"place\":\"%s\"", status[stage[o]], message[stage[o]], whereabouts[stage[o]])
    emit("patch", order_topic(o), data)
}

# ---- the town: streets every 120 m, x to the east and y to the north of the centre ----

function place(x, y) {
    return sprintf("\"position\":{\"lat\":%.6f,\"lon\":%.6f}", centre_lat + y * block_lat, centre_lon + x * block_lon)
}

function position(x, y, bearing, speed) {
    return sprintf("\"position\":{\"lat\":%.6f,\"lon\":%.6f,\"bearing\":%.0f,\"speed\":%.1f}",
        centre_lat + y * block_lat, centre_lon + x * block_lon, bearing, speed)
}

function leaves_town(u, d) {
    return street_x[u] + step_x[d] > 6 || street_x[u] + step_x[d] < -6 || street_y[u] + step_y[d] > 4 || street_y[u] + step_y[d] < -4
}

function walk_from(u, x, y) {
    street_x[u] = x
    street_y[u] = y
    along[u] = rand() * 0.9
    do heading[u] = pick(4); while (leaves_town(u, heading[u]))
}

# So many metres along the street; at a crossing mostly straight on, and never out of town.
function walk(u, metres, speed, d) {
    for (along[u] += metres / 120; along[u] >= 1; along[u]--) {
        street_x[u] += step_x[heading[u]]
        street_y[u] += step_y[heading[u]]
        d = rand() < 0.6 ? heading[u] : 1 + (heading[u] + (rand() < 0.5 ? 0 : 2)) % 4
        while (leaves_town(u, d))
            d = 1 + d % 4
        heading[u] = d
    }
    d = heading[u]
    return position(street_x[u] + step_x[d] * along[u], street_y[u] + step_y[d] * along[u], 90 * (d - 1), speed)
}

# ---- service: bikes and couriers that move, and docks that fill and empty ----
#
# Couriers promise to be heard of within 8 s. Now and then one loses its signal for half a minute: it goes stale, and is fresh again when it is back.
# What stands still has nothing to tell, so bikes and docks are fresh for ever.

function unit_topic(u) {
    return u <= bikes ? sprintf("service/bike/centre/b%02d", u) : sprintf("service/courier/centre/c%02d", u - bikes)
}

function unit_set(u) {
    walk_from(u, pick(13) - 7, pick(9) - 5)
    riding[u] = u > bikes || rand() < 0.4
    emit("set", unit_topic(u), sprintf("\"state\":\"%s\",%s", riding[u] ? "on_trip" : "available", walk(u, 0, 0)), u > bikes ? ",\"fresh_ms\":8000" : ",\"fresh_ms\":0")
}

function courier_step(u) {
    if (rand() < 0.004)
        silent_until[bikes + pick(units - bikes)] = ticks + 350 + pick(200)
    for (u = last_unit % units + 1; !riding[u] || silent_until[u] > ticks; u = u % units + 1)
        if (u == last_unit)
            return
    last_unit = u
    emit("patch", unit_topic(u), walk(u, 6 + 8 * rand(), 4 + rand()))
}

function dock_topic(d) {
    return "service/dock/centre/" dock[d]
}

# A bike is taken from a dock, or comes back to one.
function dock_step(d, u) {
    d = pick(6)
    u = pick(bikes)
    if (riding[u] ? docked[d] == dock_capacity : docked[d] == 0)
        return
    riding[u] = !riding[u]
    docked[d] += riding[u] ? -1 : 1
    emit("patch", unit_topic(u), sprintf("\"state\":\"%s\"", riding[u] ? "on_trip" : "available"))
    emit("adjust", dock_topic(d), sprintf("\"num_available\":%d,\"num_docks_available\":%d", riding[u] ? -1 : 1, riding[u] ? 1 : -1))
}

function set_all(p, b, t, n, o, u, d) {
    for (p = 1; p <= 4; p++)
        for (b = 1; b <= 6; b++)
            stock_set(p, b)
    for (t = 1; t <= 3; t++)
        for (n = 1; n <= 14; n++)
            room_set(t, n)
    for (o = 1; o <= 8; o++) {
        emit("delete", order_topic(o), "") # of the town before: its history is not ours
        order_set(o)
    }
    for (u = 1; u <= units; u++)
        unit_set(u)
    for (d = 1; d <= 6; d++) {
        docked[d] = 4 + pick(8)
        emit("set", dock_topic(d), sprintf("\"is_operating\":true,\"num_available\":%d,\"num_docks_available\":%d,\"capacity\":%d,%s",
             docked[d], dock_capacity - docked[d], dock_capacity, place(dock_x[d], dock_y[d])), ",\"fresh_ms\":0")
    }
}

# ---- taxis: a source of their own, whose radio fails for all of them at once ----

function taxis(u, step) {
    for (u = 1; u <= 7; u++) {
        walk_from(u, pick(13) - 7, pick(9) - 5)
        emit("set", "service/taxi/centre/t" u, sprintf("\"state\":\"%s\",\"travel_cost\":\"%d.50\",\"travel_cost_currency\":\"EUR\",%s", u % 3 ? "available" : "on_trip", 7 + pick(6), walk(u, 0, 0)), ",\"fresh_ms\":0")
    }
    for (step = 0; step < 300; step++) {
        u = 1 + step % 7
        emit("patch", "service/taxi/centre/t" u, (rand() < 0.04 ? sprintf("\"state\":\"%s\",", rand() < 0.6 ? "available" : "on_trip") : "") walk(u, 10 + 8 * rand(), 9 + 2 * rand()))
        if (fflush() != 0 || system("sleep 0.2") != 0)
            exit
    }
}

BEGIN {
    srand()
    if (part == "taxis")
        srand(srand() + 1) # not what the town rolls in this second
    split("4711 4712 5020 6130", sku, " ")
    split("24.90 39.00 7.50 119.00", price, " ")
    split("markt bahnhof dom campus hafen nord", branch, " ")
    split("single double suite", type, " ")
    split("12 20 4", capacity, " ")
    split("79 109 189", rate, " ")
    split(nights, night, " ")
    stages = split("confirmed processing pre_transit in_transit out_for_delivery delivered", status, " ")
    split("We have your order|Being packed|Waiting for the carrier|On its way to your town|With the courier", message, "|")
    split("Shop|Warehouse|Warehouse|Depot North|Old town", whereabouts, "|")
    split("dhl ups gls", carrier, " ")
    split("marktplatz rathaus dom theater bahnhof park", dock, " ")
    split("-0.5 1 -2 2 3.5 -3", dock_x, " ")
    split("0 1.5 0.5 -1 -3 3", dock_y, " ")
    split("0 1 0 -1", step_x, " ") # north, east, south, west
    split("1 0 -1 0", step_y, " ")
    centre_lat = 50.7753
    centre_lon = 6.0839
    block_lat = 0.001079
    block_lon = 0.001706
    if (part == "taxis") {
        taxis()
        exit
    }
    bikes = 17
    units = 25
    dock_capacity = 16
    set_all()
    for (ticks = 0; ; ticks++) {
        if (ticks % 16 == 0)
            stock_refill(now())
        dice = rand()
        if (dice < 0.50)
            courier_step()
        else if (dice < 0.72)
            stock_step()
        else if (dice < 0.82)
            room_step()
        else if (dice < 0.92)
            dock_step()
        else
            order_step()
        if (fflush() != 0 || system("sleep 0.06") != 0) # nobody reads any more, even where SIGPIPE is ignored
            exit
    }
}
