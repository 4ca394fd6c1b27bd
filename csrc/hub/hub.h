/* SPDX-License-Identifier: MIT
 *
 * What input.c (with events), outbox.c and stream.c share: the
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
#include <sys/types.h>
#include <microhttpd.h>

#include "api/hub.h"
#include "base/poller.h"
#include "base/slots.h"

struct pymhd_daemon;
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

/* One upgraded connection of the hub's, from the upgrade handler until Python
   has been told of its end and has released it. */
struct link
{
  struct watcher watcher;
  struct link *next;            /* of the hub's arrived, or of its ready ones */
  struct pymhd_daemon *daemon;
  int64_t session;
  int64_t request;
  int64_t place;                /* the token in the hub's links */
  char *early;                  /* what came with the request */
  size_t early_size;
  size_t early_at;
  struct outbox outbox;
  size_t high;                  /* water marks of the outbox, in bytes */
  size_t low;
  int fd;                       /* libmicrohttpd's: valid until we release it */
  struct tls *tls;              /* the session's; NULL without */
  int error;                    /* of what has ended it */
  enum pymhd_hub_cut cut;
  struct link *overdue_next;    /* of the hub's closing ones */
  struct link *overdue_previous;
  int64_t taken_ms;             /* when its peer last took something, since then */
  int64_t latest_ms;            /* when it must have taken everything */
  bool local : 1;               /* no TCP, whose kernel knows when bytes move */
  bool handed_over : 1;         /* it is in epoll, as the client that it was */
  bool queued : 1;              /* it is among the hub's ready ones */
  bool told : 1;                /* Python knows it */
  bool readable : 1;            /* epoll has said so, and recv() not otherwise */
  bool hung_up : 1;             /* there is an end or an error to be read */
  bool paused : 1;              /* Python does not want its input */
  bool ended : 1;               /* the peer's input has */
  bool pressed : 1;             /* Python knows that the outbox is too full */
  bool shutting : 1;            /* our FIN goes behind the output */
  bool closing : 1;             /* its end goes behind the output */
  bool aborted : 1;
  bool lost : 1;                /* nothing is read or sent any more */
  bool told_end : 1;            /* Python knows that */
  bool released : 1;
  bool overdue : 1;             /* it is among the closing ones */
};

struct hub
{
  struct pymhd_hub batch;       /* as Python sees it */
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

bool
hub_open (struct pymhd_daemon *daemon);

/* The MHD_UpgradeHandler behind Response.for_upgrade(run="hub"). */
void
hub_begin (void *cls,
           struct MHD_Connection *connection,
           void *req_cls,
           const char *extra_in,
           size_t extra_in_size,
           MHD_socket sock,
           struct MHD_UpgradeResponseHandle *urh);

void
hub_ready (struct watcher *watcher,
           uint32_t events);

/* The pump: whether it has connections. */
bool
hub_is_used (const struct pymhd_daemon *daemon);

/* The pump: cuts those that have been closed and whose peers take nothing.
   Milliseconds until it is to be called again, -1 for never. */
int64_t
hub_overdue (struct pymhd_daemon *daemon);

/* The pump: whether something waits that epoll does not tell of. */
bool
hub_is_ready (const struct pymhd_daemon *daemon);

/* The pump: makes a batch of events; returns how many there are. */
int
hub_collect (struct pymhd_daemon *daemon);

/* stop(), on the driver's thread, before the sessions are ended. */
void
hub_end (struct pymhd_daemon *daemon);

/* A fork's child. */
void
hub_forked (struct pymhd_daemon *daemon);

void
hub_free (struct pymhd_daemon *daemon);

/* --- input.c --- */

/* False if memory is short. */
bool
hub_make_arena (struct hub *hub);

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

/* The same, and the connection is aborted. */
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
hub_link (const struct pymhd_daemon *daemon,
          int32_t connection);

/* Gives those that have arrived their places. */
void
links_adopt (struct pymhd_daemon *daemon);

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

/* --- stream.c --- */

/* As recv() and send() on a socket that does not block.  Where less comes than
   SIZE without a record of TLS, there is no more, or an end that makes it hung_up. */
ssize_t
stream_recv (struct link *link,
             void *bytes,
             size_t size);

ssize_t
stream_send (const struct link *link,
             const void *bytes,
             size_t size);

/* How many bytes wait below that stream_send() has taken. */
size_t
stream_waiting (const struct link *link);

/* Sends that.  -1 with an errno, EAGAIN if some is left. */
int
stream_flush (const struct link *link);

/* No more output: says so, as far as that is possible. */
void
stream_end (const struct link *link);
