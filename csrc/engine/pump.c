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
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "engine/pump.h"
#include "api/batch.h"
#include "api/pump.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/slots.h"
#include "base/wakeup.h"
#include "engine/driver.h"
#include "engine/select.h"
#include "http/request.h"
#include "http/response.h"
#include "http/response_cache.h"
#include "http/zero_copy.h"
#include "hub/hub.h"
#include "mhd/accept.h"
#include "mhd/batch.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "upgrade/session.h"

/* So long upgraded connections wait while requests follow one another at once. */
#define OTHERS_MS 5
/* How often libmicrohttpd is run beside a hub that is busy. */
#define EACH_TURN 16

static void
pump_mhd_is_ready (struct watcher *watcher,
                   uint32_t events)
{
  struct pymhd_daemon *const daemon
    = (void *) ((char *) watcher - offsetof (struct pymhd_daemon, pump.on_mhd));

  (void) events;
  daemon->runs.ready = true;
}


static void
pump_woken (struct watcher *watcher,
            uint32_t events)
{
  struct pymhd_daemon *const daemon
    = (void *) ((char *) watcher - offsetof (struct pymhd_daemon, pump.on_wakeup));

  (void) events;
  wakeup_clear (&daemon->wakeup);
  sessions_close_pending (daemon);
}


/* The thread that starts the daemon, before anybody else knows it. */
int
pump_open (struct pymhd_daemon *daemon)
{
  int error = poller_open (&daemon->poller);

  if (0 == error)
    error = wakeup_open (&daemon->wakeup);
  if (0 != error)
    return error;
  daemon->pump.on_wakeup.ready = &pump_woken;
  return poller_watch (&daemon->poller, daemon->wakeup.fd, EPOLLIN,
                       &daemon->pump.on_wakeup) ? 0 : errno;
}


/* The same thread, when libmicrohttpd has been started. */
int
pump_drive (struct pymhd_daemon *daemon)
{
  if (config_selects (&daemon->config))
    return select_open (daemon);
  daemon->pump.on_mhd.ready = &pump_mhd_is_ready;
  return poller_watch (&daemon->poller, daemon->listening.mhd_epoll_fd, EPOLLIN,
                       &daemon->pump.on_mhd) ? 0 : errno;
}


/* stop(): nobody pumps any more. */
void
pump_free (struct pymhd_daemon *daemon)
{
  requests_free (daemon);
  repeats_free (daemon);
  (void) clients_tend (daemon);
  slots_clear (&daemon->requests.asked);
  batch_free (&daemon->batch);
}


/* Any thread, and inside finalizers: pymhd_pump() returns soon. */
void
pymhd_pump_wake (struct pymhd_daemon *daemon)
{
  atomic_store (&daemon->pump.wants_python, true);
  wakeup_signal (&daemon->wakeup);
}


/* Runs libmicrohttpd once. */
static void
run (struct pymhd_daemon *daemon)
{
  runs_begin (&daemon->runs);
  if (config_selects (&daemon->config))
    select_run (daemon);
  else
    (void) MHD_run (daemon->mhd);
  if ( (NULL != daemon->clients.hung_up) ||
       (NULL != daemon->clients.gone) )
    (void) clients_tend (daemon);
  accept_again (daemon);
  response_drain ();
  runs_end (&daemon->runs, daemon->mhd);
}


/* Whether to run it when we have waited.  Where only the hub has something to do,
   it is spared most of the time; its timeouts are of whole seconds. */
static bool
is_due (struct pymhd_daemon *daemon)
{
  return (runs_are_due (&daemon->runs)) ||
         (config_selects (&daemon->config)) ||
         (! hub_is_ready (daemon)) ||
         (0 == ++daemon->pump.turns % EACH_TURN);
}


/* Two runs: the first one takes the answers, the second one sends them, before
   Python turns to the next requests. */
static void
run_answers (struct pymhd_daemon *daemon)
{
  daemon->pump.answered = false;
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
  if (! config_selects (&daemon->config))
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
  daemon->pump.answered = true;
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

  if ( (atomic_load (&daemon->life.dead)) ||
       (NULL == daemon->mhd) )
    return NULL;
  batch_clear (&daemon->batch);
  requests_free_gone (daemon);
  if (daemon->pump.answered)
    run_answers (daemon);
  if ( (0 != daemon->batch.count) &&
       ( (hub_is_used (daemon)) ||
         (daemon->pump.looked_ms + OTHERS_MS <= now) ) )
  {
    daemon->pump.looked_ms = now;
    wait_ready (daemon, pump_patience (daemon, 0));
    (void) hub_collect (daemon);
  }
  while (0 == daemon->batch.count)
  {
    const int64_t limit = 0 > timeout_ms ? -1 : left_ms (deadline);

    daemon->pump.looked_ms = now;
    wait_ready (daemon, pump_patience (daemon, limit));
    if ( (! config_calls_back (&daemon->config)) &&
         (is_due (daemon)) )
      run (daemon);
    if ( (0 != hub_collect (daemon)) ||
         (atomic_exchange (&daemon->pump.wants_python, false)) ||
         (lent_is_returned ()) ||
         (0 == limit) )
      break;
  }
  return batch_show (&daemon->batch, lent_is_returned ());
}


/* The pump's thread.  What the last call has returned, once more. */
const struct pymhd_batch *
pymhd_pump_batch (struct pymhd_daemon *daemon)
{
  return atomic_load (&daemon->life.dead) ? NULL : &daemon->batch.face;
}


/* The pump's thread.  Milliseconds until pymhd_pump() is to be called although
   nothing has happened; -1: never. */
int
pymhd_pump_timeout (struct pymhd_daemon *daemon)
{
  if ( (atomic_load (&daemon->life.dead)) ||
       (NULL == daemon->mhd) )
    return 0;
  return daemon->pump.answered ? 0 : pump_patience (daemon, -1);
}


/* Any thread, while the daemon runs.  A descriptor that is readable when
   pymhd_pump() has something to do; not in select mode. */
int
pymhd_pump_fileno (struct pymhd_daemon *daemon)
{
  return daemon->poller.fd;
}
