/* SPDX-License-Identifier: MIT
 *
 * What the files of this folder share: the
 * upgraded connections that a pump serves itself.
 *
 * All of it belongs to the pump's thread.  Other threads reach no further than
 * hub_begin() (in "per-connection") and pymhd_hub_buffered().
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/hub.h"
#include "base/poller.h"
#include "base/slots.h"
#include "transport/stream.h"

struct server;
struct sessions;
struct tls;

/* Bytes that wait to be sent; a broadcast shares them among its receivers. */
struct blob
{
  unsigned int references;
  size_t size;
  size_t room;
  char bytes[];
};

struct piece
{
  struct piece *next;
  struct blob *blob;
  size_t sent;
};

/* What the kernel has not taken yet. */
struct outbox
{
  struct piece *first;
  struct piece *last;
  atomic_size_t size;           /* the pump's to change, anybody's to read */
};

/* states.c has the tables. */
enum link_life
{
  LINK_OPEN,
  LINK_LOST,                    /* nothing is read or sent any more */
  LINK_TOLD,                    /* and Python knows why */
  LINK_RELEASED                 /* and has let it go: it is freed when it has left
                                   the ready ones */
};

enum link_input
{
  INPUT_OPEN,
  INPUT_PAUSED,                 /* Python does not want any */
  INPUT_ENDED                   /* by the peer */
};

enum link_output
{
  OUTPUT_OPEN,
  OUTPUT_SHUTTING,              /* our FIN goes behind what waits */
  OUTPUT_CLOSING,               /* the connection's end does */
  OUTPUT_ABORTED                /* what waits is not sent */
};

/* One upgraded connection of the hub's, from the upgrade handler until Python
   has been told of its end and has released it. */
struct link
{
  struct watcher watcher;
  struct link *next;            /* of the hub's arrived, or of its ready ones */
  struct hub *hub;
  int64_t session;
  int64_t request;
  int64_t place;                /* the token in the hub's links */
  char *early;                  /* what came with the request */
  size_t early_size;
  size_t early_at;
  struct outbox outbox;
  size_t high;                  /* water marks of the outbox, in bytes */
  size_t low;
  struct stream stream;
  enum link_life life;
  enum link_input input;
  enum link_output output;
  int error;                    /* of what has ended it */
  enum pymhd_hub_cut cut;
  struct link *overdue_next;    /* of the hub's closing ones */
  struct link *overdue_previous;
  int64_t taken_ms;             /* when its peer last took something, since then */
  int64_t latest_ms;            /* when it must have taken everything */
  bool handed_over : 1;         /* it is in epoll, as the client that it was */
  bool queued : 1;              /* it is among the hub's ready ones */
  bool told : 1;                /* Python knows it */
  bool readable : 1;            /* epoll has said so, and recv() not otherwise */
  bool pressed : 1;             /* Python knows that the outbox is too full */
  bool overdue : 1;             /* it is among the closing ones */
};

struct hub
{
  struct pymhd_hub batch;       /* as Python sees it; the first member */
  struct server *server;
  struct sessions *sessions;
  struct slots links;
  pthread_mutex_t lock;         /* a leaf: guards links, arrived and ended */
  struct link *arrived;         /* for the pump to adopt */
  struct link *arrived_last;
  atomic_bool has_arrived;
  bool ended;                   /* the pump has */
  struct link *first;           /* those that are ready: first come, first served */
  struct link *last;
  struct link *closing_first;   /* whose peers have output to take, by taken_ms */
  struct link *closing_last;
  int room;                     /* for events */
  int crossed_room;
  char *arena;
  size_t used;
};

/* --- for the engine --- */

/* The hub that Python is shown the batch of. */
static inline struct hub *
hub_of (struct pymhd_hub *batch)
{
  return (struct hub *) batch;
}

void
hub_ready (struct watcher *watcher,
           uint32_t events);

/* The pump: whether it has connections. */
bool
hub_is_used (const struct hub *hub);

/* The pump: cuts those that have been closed and whose peers take nothing.
   Milliseconds until it is to be called again, -1 for never. */
int64_t
hub_overdue (struct hub *hub);

/* The pump: whether something waits that epoll does not tell of. */
bool
hub_is_ready (const struct hub *hub);

/* The pump: makes a batch of events; returns how many there are. */
int
hub_collect (struct hub *hub);

/* stop(), on the driver's thread, before the sessions are ended. */
void
hub_end (struct hub *hub);

void
hub_free (struct hub *hub);

/* --- states.c: the only place that changes these --- */

void
link_enter (struct link *link,
            enum link_life life);

void
link_set_input (struct link *link,
                enum link_input input);

void
link_set_output (struct link *link,
                 enum link_output output);

/* --- input.c --- */

/* False if memory is short. */
bool
hub_make_arena (struct hub *hub);

/* --- ready.c --- */

/* Has hub_collect() attend to the link. */
void
hub_queue (struct link *link);

/* The first of the ready ones, which there must be. */
struct link *
hub_unqueue (struct hub *hub);

/* Nothing more can be read from it or sent: Python is told once. */
void
hub_lose (struct link *link,
          int error);

/* Ends the connection for a reason of ours: what waits is not sent, and Python is told
   why. */
void
hub_cut (struct link *link,
         enum pymhd_hub_cut why);

/* --- overdue.c --- */

/* The connection is being closed, and waits for its peer from now on. */
void
overdue_begin (struct link *link);

/* The peer has taken something. */
void
overdue_renew (struct link *link);

/* It is waited for no more. */
void
overdue_forget (struct link *link);

/* --- link.c --- */

/* The link at a place of the table, NULL if there is none. */
struct link *
hub_link (const struct hub *hub,
          int32_t connection);

/* Gives those that have arrived their places. */
void
links_adopt (struct hub *hub);

void
link_free (struct link *link);

/* --- outbox.c --- */

/* Sends what waits; then what was to come behind it. */
void
outbox_flush (struct link *link);

void
outbox_clear (struct outbox *outbox);

/* How many bytes have not been taken by the kernel. */
size_t
outbox_waiting (const struct link *link);

/* --- outbox.c, for write.c --- */

/* NULL if memory is short.  ROOM: for so many bytes, of which SIZE are given. */
struct blob *
blob_new (const char *bytes,
          size_t size,
          size_t room);

/* The last one frees it; NULL is nobody. */
void
blob_unref (struct blob *blob);

/* Takes a reference to the blob, of which so much has been sent.  False if memory is
   short. */
bool
outbox_add_blob (struct outbox *outbox,
                 struct blob *blob,
                 size_t sent);

/* Puts a copy of the bytes behind the others.  False if memory is short. */
bool
outbox_add_bytes (struct outbox *outbox,
                  const char *bytes,
                  size_t size);

/* Sends until the kernel takes no more; how much it took.  Where that ends the
   connection, the link is lost. */
size_t
outbox_send_some (struct link *link,
                  const char *bytes,
                  size_t size);
