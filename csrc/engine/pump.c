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

#include "engine/pump.h"
#include "api/batch.h"
#include "api/pump.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/sigpipe.h"
#include "base/wakeup.h"
#include "engine/driver.h"
#include "engine/select.h"
#include "http/request.h"
#include "http/response.h"
#include "http/zero_copy.h"
#include "hub/hub.h"
#include "mhd/accept.h"
#include "mhd/batch.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/runs.h"
#include "transport/handshake.h"
#include "upgrade/session.h"

/* So long upgraded connections wait while requests follow one another at once. */
#define OTHERS_MS 5
/* How often libmicrohttpd is run beside a hub that is busy. */
#define EACH_TURN 16

static void
pump_mhd_is_ready (struct watcher *watcher,
                   uint32_t events)
{
  struct pymhd_driver *const driver
    = (void *) ((char *) watcher - offsetof (struct pymhd_driver, pump.on_mhd));

  (void) events;
  driver->server.runs.ready = true;
}


static void
pump_handshakes_are_ready (struct watcher *watcher,
                           uint32_t events)
{
  struct pymhd_driver *const driver
    = (void *) ((char *) watcher - offsetof (struct pymhd_driver, pump.on_handshakes));

  (void) events;
  handshakes_resume (&driver->server.handshakes);
  driver->server.runs.ready = true;
}


static void
pump_woken (struct watcher *watcher,
            uint32_t events)
{
  struct pymhd_driver *const driver
    = (void *) ((char *) watcher - offsetof (struct pymhd_driver, pump.on_wakeup));

  (void) events;
  wakeup_clear (&driver->server.wakeup);
  sessions_close_pending (&driver->sessions);
}


/* The thread that starts the daemon, before anybody else knows it. */
int
pump_open (struct pymhd_driver *driver)
{
  int error = poller_open (&driver->server.poller);

  if (0 == error)
    error = wakeup_open (&driver->server.wakeup);
  if (0 != error)
    return error;
  driver->pump.on_wakeup.ready = &pump_woken;
  driver->pump.on_handshakes.ready = &pump_handshakes_are_ready;
  return poller_watch (&driver->server.poller, driver->server.wakeup.fd, EPOLLIN,
                       &driver->pump.on_wakeup) ? 0 : errno;
}


/* The thread that starts the driver, when libmicrohttpd has been started: the pump
   watches libmicrohttpd's descriptors from now on. */
int
pump_drive (struct pymhd_driver *driver)
{
  if (config_selects (&driver->server.config))
    return select_open (driver);
  if ( (-1 != driver->server.handshakes.poller.fd) &&
       (! poller_watch (&driver->server.poller, driver->server.handshakes.poller.fd,
                        EPOLLIN, &driver->pump.on_handshakes)) )
    return errno;
  driver->pump.on_mhd.ready = &pump_mhd_is_ready;
  return poller_watch (&driver->server.poller, driver->server.listening.mhd_epoll_fd,
                       EPOLLIN, &driver->pump.on_mhd) ? 0 : errno;
}


/* stop(): nobody pumps any more. */
void
pump_free (struct pymhd_driver *driver)
{
  requests_free (&driver->requests);
  (void) leaving_tend (&driver->server);
  clients_free_gone (&driver->server);
  batch_free (&driver->server.batch);
}


/* Any thread, and inside finalizers: pymhd_pump() returns soon. */
void
pymhd_pump_wake (struct pymhd_driver *driver)
{
  atomic_store (&driver->pump.wants_python, true);
  wakeup_signal (&driver->server.wakeup);
}


/* Runs libmicrohttpd once. */
static void
pump_run (struct pymhd_driver *driver)
{
  runs_begin (&driver->server.runs);
  if (NULL != driver->server.clients.sending)
    sigpipe_hold (&driver->server.sigpipe);
  clients_time_out (&driver->server);
  if (config_selects (&driver->server.config))
    select_run (driver);
  else
    (void) MHD_run (driver->server.mhd);
  sigpipe_release (&driver->server.sigpipe);
  handshakes_suspend (&driver->server.handshakes);
  (void) clients_tend (&driver->server);
  accept_again (&driver->server);
  response_drain ();
  runs_end (&driver->server.runs, driver->server.mhd);
  if ( (driver->server.runs.unfinished) &&
       (NULL != driver->server.clients.uploads) )
    uploads_tend (&driver->server);
}


/* Whether to run it when we have waited.  Where only the hub has something to do,
   it is spared most of the time; its timeouts are of whole seconds. */
static bool
pump_is_due (struct pymhd_driver *driver)
{
  return (runs_are_due (&driver->server.runs)) ||
         (config_selects (&driver->server.config)) ||
         (! hub_is_ready (&driver->hub)) ||
         (0 == ++driver->pump.turns % EACH_TURN);
}


/* Two runs: the first one takes the answers, the second one sends them, before
   Python turns to the next requests. */
static void
pump_run_answers (struct pymhd_driver *driver)
{
  driver->pump.answered = false;
  pump_run (driver);
  pump_run (driver);
}


/* Waits, and takes care of everything that is not libmicrohttpd's. */
static void
pump_wait_epoll (struct pymhd_driver *driver,
                 int timeout_ms)
{
  poller_wait (&driver->server.poller, timeout_ms);
  sessions_relay (&driver->sessions);
  /* What epoll has told of them has been heard now. */
  if ( (! config_calls_back (&driver->server.config)) &&
       (NULL != driver->server.clients.gone) )
    clients_free_gone (&driver->server);
}


static void
pump_wait_ready (struct pymhd_driver *driver,
                 int timeout_ms)
{
  if (! config_selects (&driver->server.config))
    pump_wait_epoll (driver, timeout_ms);
  else if (select_wait (driver, timeout_ms))
    pump_wait_epoll (driver, 0);
}


static int64_t
pump_left_ms (int64_t deadline)
{
  const int64_t left = deadline - monotonic_ms ();

  return 0 > left ? 0 : left;
}


/* The pump's thread.  Makes the responses to earlier requests, and takes
   references to the shared ones; the next pymhd_pump() sends them.  ANSWERS:
   struct pymhd_answer and what follows each, not aligned. */
void
pymhd_pump_answer (struct pymhd_driver *driver,
                   const char *answers,
                   size_t size)
{
  const char *const end = answers + size;
  struct pymhd_answer answer;

  while (answers < end)
  {
    memcpy (&answer, answers, sizeof (answer));
    answers += sizeof (answer);
    request_answer (&driver->requests, &answer, answers);
    answers += (size_t) answer.body_size + answer.fields_size;
  }
  driver->pump.answered = true;
}


/* The pump's thread.  Sends the answers and returns what has happened, which
   may be nothing, and is where libmicrohttpd's own threads call back: after
   timeout_ms milliseconds (-1: never), or woken by pymhd_pump_wake().  NULL in
   a fork's child, where nothing may be run. */
const struct pymhd_batch *
pymhd_pump (struct pymhd_driver *driver,
            int timeout_ms)
{
  const int64_t now = monotonic_ms ();
  const int64_t deadline = now + timeout_ms;

  if ( (atomic_load (&driver->server.life.dead)) ||
       (NULL == driver->server.mhd) )
    return NULL;
  batch_clear (&driver->server.batch);
  requests_free_gone (&driver->requests);
  if (driver->pump.answered)
    pump_run_answers (driver);
  if ( (0 != driver->server.batch.count) &&
       ( (hub_is_used (&driver->hub)) ||
         (driver->pump.looked_ms + OTHERS_MS <= now) ) )
  {
    driver->pump.looked_ms = now;
    pump_wait_ready (driver, pump_timeout (driver, 0));
    (void) hub_collect (&driver->hub);
  }
  while (0 == driver->server.batch.count)
  {
    const int64_t limit = 0 > timeout_ms ? -1 : pump_left_ms (deadline);

    driver->pump.looked_ms = now;
    pump_wait_ready (driver, pump_timeout (driver, limit));
    if ( (! config_calls_back (&driver->server.config)) &&
         (pump_is_due (driver)) )
      pump_run (driver);
    if ( (0 != hub_collect (&driver->hub)) ||
         (atomic_exchange (&driver->pump.wants_python, false)) ||
         (zero_copy_is_returned ()) ||
         (0 == limit) )
      break;
  }
  return batch_show (&driver->server.batch, zero_copy_is_returned ());
}


/* The pump's thread.  What the last call has returned, once more. */
const struct pymhd_batch *
pymhd_pump_batch (struct pymhd_driver *driver)
{
  return atomic_load (&driver->server.life.dead) ? NULL : &driver->server.batch.face;
}


/* The pump's thread.  Milliseconds until pymhd_pump() is to be called although
   nothing has happened; -1: never. */
int
pymhd_pump_timeout (struct pymhd_driver *driver)
{
  if ( (atomic_load (&driver->server.life.dead)) ||
       (NULL == driver->server.mhd) )
    return 0;
  return driver->pump.answered ? 0 : pump_timeout (driver, -1);
}


/* Any thread, while the daemon runs.  A descriptor that is readable when
   pymhd_pump() has something to do; not in select mode. */
int
pymhd_pump_fileno (struct pymhd_driver *driver)
{
  return driver->server.poller.fd;
}
