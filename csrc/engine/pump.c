/* SPDX-License-Identifier: MIT
 *
 * The pump: Python drives libmicrohttpd.
 *
 * One call sends the answers to the last batch, runs libmicrohttpd, waits if
 * there is nothing to do, and comes back with a batch of events.  cffi has
 * released the GIL before the call; nothing in here enters Python.
 *
 * One epoll set holds libmicrohttpd's own epoll descriptor, a descriptor to
 * wake us, the clients (to learn of their end) and the sessions that linger.
 * Where libmicrohttpd has threads of its own, the rest is as here.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "engine/pump.h"
#include "api/batch.h"
#include "api/pump.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/slots.h"
#include "base/wakeup.h"
#include "daemon.h"
#include "engine/select.h"
#include "http/request.h"
#include "http/response.h"
#include "http/response_cache.h"
#include "http/zero_copy.h"
#include "hub/hub.h"
#include "mhd/accept.h"
#include "mhd/client.h"
#include "upgrade/session.h"

/* So long upgraded connections wait while requests follow one another at once. */
#define OTHERS_MS 5
/* What is kept of a batch's memory: more than most need. */
#define KEPT_EVENTS 4096
#define KEPT_TEXT (1 << 20)
/* How often libmicrohttpd is run beside a hub that is busy. */
#define EACH_TURN 16

static void
pump_mhd_is_ready (struct watcher *watcher,
                   uint32_t events)
{
  struct pymhd_daemon *const daemon
    = (void *) ((char *) watcher - offsetof (struct pymhd_daemon, on_mhd));

  (void) events;
  daemon->mhd_is_ready = true;
}


static void
pump_woken (struct watcher *watcher,
            uint32_t events)
{
  struct pymhd_daemon *const daemon
    = (void *) ((char *) watcher - offsetof (struct pymhd_daemon, on_wakeup));

  (void) events;
  wakeup_clear (&daemon->wakeup);
  sessions_close_pending (daemon);
}


/* The thread that starts the daemon, before anybody else knows it. */
int
pump_open (struct pymhd_daemon *daemon)
{
  int error;

  if (! hub_open (daemon))
    return ENOMEM;
  error = poller_open (&daemon->poller);
  if (0 == error)
    error = wakeup_open (&daemon->wakeup);
  if (0 != error)
    return error;
  daemon->on_wakeup.ready = &pump_woken;
  return poller_watch (&daemon->poller, daemon->wakeup.fd, EPOLLIN,
                       &daemon->on_wakeup) ? 0 : errno;
}


/* The same thread, when libmicrohttpd has been started. */
int
pump_drive (struct pymhd_daemon *daemon)
{
  if (daemon->selects)
    return select_open (daemon);
  daemon->on_mhd.ready = &pump_mhd_is_ready;
  return poller_watch (&daemon->poller, daemon->mhd_epoll_fd, EPOLLIN,
                       &daemon->on_mhd) ? 0 : errno;
}


/* stop(): nobody pumps any more. */
void
pump_free (struct pymhd_daemon *daemon)
{
  requests_free (daemon);
  repeats_free (daemon);
  (void) clients_tend (daemon);
  slots_clear (&daemon->asked);
  free (daemon->events);
  free (daemon->text.at);
  daemon->events = NULL;
  daemon->event_count = daemon->event_room = 0;
  daemon->text = (struct text) { 0 };
  daemon->batch = (struct pymhd_batch) { 0 };
}


/* Forgets the batch, and, after a giant one, its memory. */
static void
clear (struct pymhd_daemon *daemon)
{
  daemon->event_count = 0;
  daemon->text.size = 0;
  if (KEPT_EVENTS < daemon->event_room)
  {
    free (daemon->events);
    daemon->events = NULL;
    daemon->event_room = 0;
  }
  if (KEPT_TEXT < daemon->text.room)
  {
    free (daemon->text.at);
    daemon->text = (struct text) { 0 };
  }
}


bool
pump_add (struct pymhd_daemon *daemon,
          const struct pymhd_event *event)
{
  if (daemon->event_count == daemon->event_room)
  {
    const int room = daemon->event_room ? 2 * daemon->event_room : 64;
    struct pymhd_event *const events
      = realloc (daemon->events, (size_t) room * sizeof (*events));

    if (NULL == events)
      return false;
    daemon->events = events;
    daemon->event_room = room;
  }
  daemon->events[daemon->event_count] = *event;
  daemon->events[daemon->event_count++].text_end = (int64_t) daemon->text.size;
  return true;
}


/* Any thread, and inside finalizers: pymhd_pump() returns soon. */
void
pymhd_pump_wake (struct pymhd_daemon *daemon)
{
  atomic_store (&daemon->wants_python, true);
  wakeup_signal (&daemon->wakeup);
}


void
pump_run_again (struct pymhd_daemon *daemon,
                int times)
{
  if (daemon->runs_left < times)
    daemon->runs_left = times;
}


void
pump_close (struct pymhd_daemon *daemon,
            struct MHD_UpgradeResponseHandle *urh)
{
  (void) MHD_upgrade_action (urh, MHD_UPGRADE_ACTION_CLOSE);
  /* Over TLS it first ends the forwarding that it believes in. */
  if (! daemon->calls_back)
    pump_run_again (daemon, daemon->tls ? 2 : 1);
}


/* Runs libmicrohttpd once and learns whether it wants more. */
static void
run (struct pymhd_daemon *daemon)
{
  MHD_UNSIGNED_LONG_LONG ms;

  daemon->mhd_is_ready = false;
  if (0 < daemon->runs_left)
    daemon->runs_left--;
  if (daemon->selects)
    select_run (daemon);
  else
    (void) MHD_run (daemon->mhd);
  if ( (NULL != daemon->hung_up) ||
       (NULL != daemon->gone_clients) )
    (void) clients_tend (daemon);
  accept_again (daemon);
  response_drain ();
  daemon->unfinished = (MHD_YES == MHD_get_timeout (daemon->mhd, &ms)) &&
                       (0 == ms);
  if (! daemon->unfinished)
    daemon->in_vain = 0;
  else if (VAIN_RUNS >= daemon->in_vain)
    daemon->in_vain++;
}


/* Whether to run it when we have waited.  Where only the hub has something to do,
   it is spared most of the time; its timeouts are of whole seconds. */
static bool
is_due (struct pymhd_daemon *daemon)
{
  return (daemon->mhd_is_ready) ||
         (daemon->unfinished) ||
         (0 < daemon->runs_left) ||
         (daemon->selects) ||
         (! hub_is_ready (daemon)) ||
         (0 == ++daemon->turns % EACH_TURN);
}


/* Two runs: the first one takes the answers, the second one sends them, before
   Python turns to the next requests. */
static void
run_answers (struct pymhd_daemon *daemon)
{
  daemon->answered = false;
  run (daemon);
  run (daemon);
}


/* Waits, and takes care of everything that is not libmicrohttpd's. */
static void
wait_epoll (struct pymhd_daemon *daemon,
            int timeout_ms)
{
  poller_wait (&daemon->poller, timeout_ms);
  sessions_relay (daemon);
}


static void
wait_ready (struct pymhd_daemon *daemon,
            int timeout_ms)
{
  if (! daemon->selects)
    wait_epoll (daemon, timeout_ms);
  else if (select_wait (daemon, timeout_ms))
    wait_epoll (daemon, 0);
}


static int64_t
left_ms (int64_t deadline)
{
  const int64_t left = deadline - monotonic_ms ();

  return 0 > left ? 0 : left;
}


/* The pump's thread.  Makes the responses to earlier requests, and takes
   references to the shared ones; the next pymhd_pump() sends them.  ANSWERS:
   struct pymhd_answer and what follows each, not aligned. */
void
pymhd_pump_answer (struct pymhd_daemon *daemon,
                   const char *answers,
                   size_t size)
{
  const char *const end = answers + size;
  struct pymhd_answer answer;

  while (answers < end)
  {
    memcpy (&answer, answers, sizeof (answer));
    answers += sizeof (answer);
    request_answer (daemon, &answer, answers);
    answers += (size_t) answer.body_size + answer.fields_size;
  }
  daemon->answered = true;
}


/* The pump's thread.  Sends the answers and returns what has happened, which
   may be nothing, and is where libmicrohttpd's own threads call back: after
   timeout_ms milliseconds (-1: never), or woken by pymhd_pump_wake().  NULL in
   a fork's child, where nothing may be run. */
const struct pymhd_batch *
pymhd_pump (struct pymhd_daemon *daemon,
            int timeout_ms)
{
  const int64_t now = monotonic_ms ();
  const int64_t deadline = now + timeout_ms;

  if ( (atomic_load (&daemon->dead)) ||
       (NULL == daemon->mhd) )
    return NULL;
  clear (daemon);
  requests_free_gone (daemon);
  if (daemon->answered)
    run_answers (daemon);
  if ( (0 != daemon->event_count) &&
       ( (hub_is_used (daemon)) ||
         (daemon->looked_ms + OTHERS_MS <= now) ) )
  {
    daemon->looked_ms = now;
    wait_ready (daemon, pump_patience (daemon, 0));
    (void) hub_collect (daemon);
  }
  while (0 == daemon->event_count)
  {
    const int64_t limit = 0 > timeout_ms ? -1 : left_ms (deadline);

    daemon->looked_ms = now;
    wait_ready (daemon, pump_patience (daemon, limit));
    if ( (! daemon->calls_back) &&
         (is_due (daemon)) )
      run (daemon);
    if ( (0 != hub_collect (daemon)) ||
         (atomic_exchange (&daemon->wants_python, false)) ||
         (lent_is_returned ()) ||
         (0 == limit) )
      break;
  }
  daemon->batch = (struct pymhd_batch) {
    .events = daemon->events,
    .text = daemon->text.at,
    .text_size = daemon->text.size,
    .count = daemon->event_count,
    .returned = lent_is_returned (),
  };
  return &daemon->batch;
}


/* The pump's thread.  What the last call has returned, once more. */
const struct pymhd_batch *
pymhd_pump_batch (struct pymhd_daemon *daemon)
{
  return atomic_load (&daemon->dead) ? NULL : &daemon->batch;
}


/* The pump's thread.  Milliseconds until pymhd_pump() is to be called although
   nothing has happened; -1: never. */
int
pymhd_pump_timeout (struct pymhd_daemon *daemon)
{
  if ( (atomic_load (&daemon->dead)) ||
       (NULL == daemon->mhd) )
    return 0;
  return daemon->answered ? 0 : pump_patience (daemon, -1);
}


/* Any thread, while the daemon runs.  A descriptor that is readable when
   pymhd_pump() has something to do; not in select mode. */
int
pymhd_pump_fileno (struct pymhd_daemon *daemon)
{
  return daemon->poller.fd;
}
