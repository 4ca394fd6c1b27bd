/* SPDX-License-Identifier: MIT
 *
 * A daemon of libmicrohttpd's with all that is ours, and who may touch what.
 *
 * "The driver" is the thread that runs libmicrohttpd for a connection: the one
 * that calls pymhd_pump(), or one of libmicrohttpd's own, which calls back into
 * Python.  "The pump" is the thread that calls pymhd_pump() in any case: beside
 * libmicrohttpd's threads it has the upgraded connections and the clients to
 * look after, and nothing to run.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <microhttpd.h>

#include "api/batch.h"
#include "base/bytes.h"
#include "base/poller.h"
#include "base/slots.h"
#include "base/wakeup.h"
#include "engine/select.h"
#include "http/response.h"

struct client;
struct hub;
struct pymhd_response;
struct relay;
struct repeat;
struct request;
struct session;

struct pymhd_daemon
{
  struct MHD_Daemon *mhd;
  int64_t owner;                /* names the Python object in callbacks */
  bool calls_back;              /* threads of libmicrohttpd's run the handlers */
  bool per_connection;          /* each connection has one, which waits for its end */
  bool edge_triggered;          /* libmicrohttpd uses epoll */
  bool selects;                 /* the pump drives it by select() */
  bool tls;
  bool client_ca;               /* clients must have a certificate */
  bool sessions_ended;          /* stop(): no more of them; session.c's lock */
  size_t body_limit;
  size_t output_limit;          /* of what may wait for one peer of the hub's */
  int64_t close_ms;             /* how long its end waits for such a peer */
  struct pymhd_quota *quota;    /* NULL: any number of upgrades */
  unsigned int connection_limit;
  struct pymhd_response *refusal[REFUSALS];

  atomic_uint connections;
  atomic_uint requests;         /* whose head is here, not yet answered in full */
  atomic_uint upgraded;
  atomic_int_fast64_t next_token;       /* of requests that call back */
  atomic_bool refusing;         /* stop() has begun */
  atomic_bool wants_python;     /* pymhd_pump() is to return to Python */
  atomic_bool late;             /* stop() waits no longer */
  atomic_bool deaf;             /* quiesced in epoll's stead */
  atomic_bool dead;             /* we are a fork's child: nothing may be called */

  /* A leaf: guards clients, reason and listen_fd. */
  pthread_mutex_t lock;
  struct client *clients;
  struct client *hung_up;       /* whose end libmicrohttpd may not know */
  struct client *gone_clients;  /* which the pump may still be told of */
  char reason[256];             /* the last line that libmicrohttpd logged */
  int listen_fd;                /* libmicrohttpd's to close, unless quiesced */
  bool quiesced;
  struct wakeup stop;           /* readable once stop() has begun */

  /* The pump's: only its driver touches them, but for wakeup. */
  struct poller poller;
  struct wakeup wakeup;         /* readable: pymhd_pump() has something to do */
  struct watcher on_wakeup;
  struct watcher on_mhd;
  int mhd_epoll_fd;
  struct pymhd_select sets;
  bool mhd_is_ready;            /* epoll has said so */
  unsigned int turns;
  bool unfinished;              /* libmicrohttpd wants to run at once */
  int in_vain;                  /* how often it has, and has told us nothing */
  bool answered;                /* there are answers that it has not seen */
  int64_t looked_ms;            /* when it last looked at what is not libmicrohttpd's */
  int runs_left;                /* how often it must run for what has been closed */
  atomic_bool starved;          /* it listens no more, for want of descriptors */
  int64_t starved_until_ms;     /* when to look whether there are some again */
  struct slots asked;           /* requests that wait for Python's answer */
  struct request *gone;         /* ended, while events may point to their bodies */
  struct request *spare;        /* ended, for the next ones */
  unsigned int spares;
  struct repeat *repeats;       /* answers that came again */
  struct pymhd_event *events;
  int event_count;
  int event_room;
  struct text text;             /* what the events' text_end points into */
  struct pymhd_batch batch;     /* the same, for Python */

  struct hub *hub;

  struct session *closing;      /* for the driver to close; session.c's lock */
  struct session *lingering;    /* the driver's alone */
  struct relay *ready_relays;   /* the same */
  atomic_int_fast64_t idle_due_ms;      /* when to look at sessions; 0: never */

  struct pymhd_daemon *next;    /* all daemons, for a fork's child */
  struct pymhd_daemon *previous;
};

void
daemon_called_back (struct pymhd_daemon *daemon);

/* Takes the events of the listening socket from libmicrohttpd's own epoll thread,
   which does not know.  MHD_quiesce_daemon() may abort the process beside that
   thread, in all releases: both may want to take the socket out of epoll.  Any
   thread; no lock. */
void
daemon_deafen (struct pymhd_daemon *daemon);
