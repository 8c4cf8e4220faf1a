/*
 * SPDX-FileCopyrightText: The ahora authors
 * SPDX-License-Identifier: Apache-2.0
 */

#include "broker/net/peer.h"

#include "broker/net/broker.h"

#include <assert.h>
#include <string.h>

/* Small pieces of one session are laid side by side and leave in one system call; larger ones, and one that is alone, go as they are. */
#define GATHER_BYTES_MAX 2048

/* A view's changes of one turn that are more than a message holds: so many messages leave in one system call. */
#define PIECES_MAX TRANSPORT_PIECES_MAX

struct gather {
    uint8_t *block; /* LOOP_SCRATCH_BYTES */
    size_t bytes;
    size_t total; /* given to this peer in this turn */
};

static enum peer_write write_counted(struct broker *broker, struct peer *peer, struct span bytes) {
    broker->metrics.writes++;
    broker->metrics.written_bytes += bytes.bytes;
    return peer->calls->write(peer, bytes);
}

static enum peer_write write_gathered(struct broker *broker, struct peer *peer, struct gather *gather) {
    if (gather->bytes == 0) {
        return PEER_WRITTEN;
    }
    struct span block = {gather->block, gather->bytes};
    gather->bytes = 0;
    return write_counted(broker, peer, block);
}

static enum peer_write take_piece(struct broker *broker, struct peer *peer, struct gather *gather, struct span piece) {
    const bool is_alone = gather->bytes == 0 && !session_may_have_more(peer->session);
    gather->total += piece.bytes;
    if (is_alone || piece.bytes > GATHER_BYTES_MAX || gather->bytes + piece.bytes > LOOP_SCRATCH_BYTES) {
        enum peer_write outcome = write_gathered(broker, peer, gather);
        if (outcome == PEER_WRITTEN) {
            return write_counted(broker, peer, piece);
        }
        if (outcome == PEER_BROKEN) {
            return outcome;
        }
        /* Choked, but the piece was already pulled: it goes behind the tail that waits. */
        return write_counted(broker, peer, piece) == PEER_BROKEN ? PEER_BROKEN : PEER_CHOKED;
    }
    memcpy(gather->block + gather->bytes, piece.data, piece.bytes);
    gather->bytes += piece.bytes;
    return PEER_WRITTEN;
}

static enum peer_write write_pieces(struct broker *broker, struct peer *peer, const struct span *pieces, size_t count,
                                    size_t *taken) {
    enum peer_write outcome;
    if (count == 1) {
        outcome = peer->calls->write(peer, pieces[0]);
        *taken = outcome == PEER_BROKEN ? 0 : 1;
    } else {
        *taken = peer->calls->write_all(peer, pieces, count, &outcome);
    }
    broker->metrics.writes++;
    return outcome;
}

/* From where they were encoded. Of those that a slow socket does not take nothing is kept but the rest of one that was begun: later it is shown
   what is newest then. */
static enum peer_write take_slices(struct broker *broker, struct peer *peer, struct gather *gather, const struct span *pieces,
                                   size_t count, bool *is_more) {
    size_t taken = 0;
    enum peer_write outcome = write_pieces(broker, peer, pieces, count, &taken);
    for (size_t i = 0; i < taken; i++) {
        broker->metrics.written_bytes += pieces[i].bytes;
        gather->total += pieces[i].bytes;
    }
    if (outcome != PEER_BROKEN) {
        *is_more = session_took(broker->core, peer->session, taken);
    }
    return outcome;
}

static enum peer_write take_next(struct broker *broker, struct peer *peer, struct gather *gather, bool *is_more) {
    struct span pieces[PIECES_MAX];
    if (gather->bytes == 0) {
        const size_t count = session_peek(peer->session, pieces, peer->calls->write_all == NULL ? 1 : PIECES_MAX);
        if (count > 0) {
            return take_slices(broker, peer, gather, pieces, count, is_more);
        }
    }
    *is_more = session_pull(broker->core, peer->session, pieces);
    return *is_more ? take_piece(broker, peer, gather, pieces[0]) : PEER_WRITTEN;
}

/* Everything is written: reading again, or the end. */
static void settle(struct peer *peer) {
    const char *reason = "";
    int code = session_close_code(peer->session, &reason);
    if (code != 0) {
        peer->calls->end(peer, code, reason);
        return;
    }
    bool wanted = session_wants_read(peer->session);
    if (wanted != peer->reading) {
        peer->reading = wanted;
        peer->calls->set_reading(peer, wanted);
    }
}

void peers_name(struct broker *broker) {
    struct subjects *subjects = &broker->shards->subjects;
    for (struct session *session; (session = core_next_named(broker->core)) != NULL;) {
        struct peer *peer = session_owner(session);
        const struct rights *rights = session_rights(session);
        subjects_leave(subjects, peer->subject);
        peer->subject = NULL;
        if (rights == NULL || rights->is_anonymous) {
            continue;
        }
        peer->subject = subjects_enter(subjects, rights->principal, (size_t)broker->config.sessions_per_subject_max);
        if (peer->subject == NULL) {
            broker->metrics.subjects_refused++;
            session_kick(broker->core, session, AHORA_CLOSE_TOO_MANY, ahora_code_name(AHORA_TOO_MANY));
        }
    }
}

void peer_leave(struct broker *broker, struct peer *peer) {
    struct session *session = peer->session;
    if (session != NULL) {
        peer->session = NULL;
        link_remove(&peer->yielding);
        judging_forget_session(broker, peer);
        subjects_leave(&broker->shards->subjects, peer->subject);
        peer->subject = NULL;
        session_close(broker->core, session);
    }
}

static bool flush(struct broker *broker, struct peer *peer) {
    struct gather gather = {.block = broker->loop.scratch};
    enum peer_write outcome = PEER_WRITTEN;
    size_t share = (size_t)broker->config.turn_bytes_max;
    bool is_more = true;
    while (outcome == PEER_WRITTEN && is_more && gather.total < share) {
        outcome = take_next(broker, peer, &gather, &is_more);
    }
    if (outcome == PEER_WRITTEN) {
        outcome = write_gathered(broker, peer, &gather);
    }
    if (outcome == PEER_BROKEN) {
        peer->calls->drop(peer);
        return false;
    }
    if (outcome == PEER_CHOKED) {
        broker->metrics.choked++;
        session_set_choked(broker->core, peer->session, true);
        return false;
    }
    if (gather.total >= share) {
        broker->metrics.yields++;
        return true; /* it yields when all others are served */
    }
    settle(peer);
    return false;
}

/* Every ready session is served before this returns, or yields: none keeps what the turn handed it. */
bool peers_flush(struct broker *broker) {
    struct link yielding;
    struct session *session;
    list_init(&yielding);
    while ((session = core_next_ready(broker->core)) != NULL) {
        struct peer *peer = session_owner(session);
        assert(peer->session == session);
        bool had_its_share = peer->turn == broker->metrics.turns;
        if (had_its_share || flush(broker, peer)) {
            peer->turn = broker->metrics.turns;
            list_append(&yielding, &peer->yielding);
        }
    }
    bool again = !list_is_empty(&yielding);
    for (struct link *link; (link = list_pop(&yielding)) != NULL;) {
        struct peer *peer = CONTAINER_OF(link, struct peer, yielding);
        if (peer->session != NULL) {
            session_yield(broker->core, peer->session);
        }
    }
    return again;
}
