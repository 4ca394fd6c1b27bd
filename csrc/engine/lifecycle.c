/* SPDX-License-Identifier: MIT
 *
 * The life of a driver, from its making to its end; start.c starts it.
 *
 * The structure outlives MHD_stop_daemon(): Python's object owns it, so no
 * call with it can be a use after free.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "api/driver.h"
#include "api/hub.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "engine/driver.h"
#include "engine/pump.h"
#include "http/response.h"
#include "hub/hub.h"
#include "mhd/accept.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/listeners.h"
#include "transport/handshake.h"
#include "upgrade/due.h"
#include "upgrade/session.h"

/* All drivers, for a fork's child.  A leaf: guards the list. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pymhd_driver *drivers;


void
driver_init_locks (struct pymhd_driver *driver)
{
  wakeup_init (&driver->server.wakeup);
  wakeup_init (&driver->server.life.stop);
  (void) pthread_mutex_init (&driver->server.said.lock, NULL);
  (void) pthread_mutex_init (&driver->server.listening.lock, NULL);
  (void) pthread_mutex_init (&driver->server.clients.lock, NULL);
  (void) pthread_mutex_init (&driver->hub.lock, NULL);
}


/* Each floor is told where the floors below are. */
static void
driver_wire (struct pymhd_driver *driver)
{
  driver->requests.server = &driver->server;
  driver->requests.sessions = &driver->sessions;
  driver->requests.hub = &driver->hub;
  driver->sessions.server = &driver->server;
  driver->sessions.relays.poller = &driver->server.poller;
  driver->sessions.relays.life = &driver->server.life;
  driver->hub.server = &driver->server;
  driver->hub.sessions = &driver->sessions;
}


/* Any thread.  NULL if memory is short. */
struct pymhd_driver *
pymhd_driver_new (int64_t owner)
{
  struct pymhd_driver *const driver = calloc (1, sizeof (*driver));

  if (NULL == driver)
    return NULL;
  driver->server.config.owner = owner;
  driver->server.listening.fd = driver->server.listening.mhd_epoll_fd = -1;
  driver->server.poller.fd = driver->server.handshakes.poller.fd = -1;
  driver->server.wakeup.fd = driver->server.life.stop.fd = -1;
  driver_init_locks (driver);
  driver_wire (driver);
  (void) pthread_mutex_lock (&lock);
  driver->next = drivers;
  if (NULL != driver->next)
    driver->next->previous = driver;
  drivers = driver;
  (void) pthread_mutex_unlock (&lock);
  return driver;
}


/* Any thread.  What libmicrohttpd logged last, valid until it logs again. */
const char *
pymhd_driver_reason (struct pymhd_driver *driver)
{
  return driver->server.said.line;
}


/* Any thread: from now on requests are answered with 503. */
void
pymhd_driver_refuse (struct pymhd_driver *driver)
{
  atomic_store (&driver->server.life.refusing, true);
  wakeup_signal (&driver->server.life.stop);
}


/* The pump's thread.  Stops listening. */
void
pymhd_driver_quiesce (struct pymhd_driver *driver)
{
  if ( (NULL == driver->server.mhd) ||
       (atomic_load (&driver->server.life.dead)) )
    return;
  if (listeners_are_used (&driver->server.listeners))
    listeners_quiesce (&driver->server);
  else
    listening_quiesce (&driver->server);
}


void
driver_close_descriptors (struct pymhd_driver *driver)
{
  listening_close (&driver->server.listening);
  listeners_close (&driver->server.listeners);
  wakeup_close (&driver->server.life.stop);
  wakeup_close (&driver->server.wakeup);
  poller_close (&driver->server.handshakes.poller);
  poller_close (&driver->server.poller);
}


/* The pump's thread.  Blocks until libmicrohttpd's own threads have ended. */
void
pymhd_driver_stop (struct pymhd_driver *driver)
{
  if (atomic_load (&driver->server.life.dead))
    return;
  pymhd_driver_refuse (driver);
  /* A pool would shut the listening socket down, which may be the caller's, too. */
  if (config_calls_back (&driver->server.config))
    pymhd_driver_quiesce (driver);
  hub_end (&driver->hub);
  atomic_store (&driver->server.life.late, true);
  if (config_is_per_connection (&driver->server.config))
    sessions_release (&driver->sessions);
  else
    sessions_end (&driver->sessions);
  if (NULL != driver->server.mhd)
  {
    if (config_calls_back (&driver->server.config))
      clients_leave (&driver->server);
    handshakes_release (&driver->server.handshakes);
    listening_leave (&driver->server.listening);
    MHD_stop_daemon (driver->server.mhd);
  }
  driver->server.mhd = NULL;
  driver->server.listening.mhd_epoll_fd = -1;            /* it has closed that */
  driver_close_descriptors (driver);
  pump_free (driver);
  response_drain ();
}


/* Any thread: wakes whoever is blocked on an upgraded connection, reading (SHUT_RD)
   or both (SHUT_RDWR). */
void
pymhd_driver_shutdown (struct pymhd_driver *driver,
                       int how)
{
  sessions_shutdown (&driver->sessions, how);
}


/* Any thread, once: the hub, which lives as long as the driver does. */
struct pymhd_hub *
pymhd_driver_hub (struct pymhd_driver *driver)
{
  return &driver->hub.batch;
}


/* The only thread of a fork's child. */
void
drivers_disown (void (*disown) (struct pymhd_driver *driver))
{
  struct pymhd_driver *driver;

  (void) pthread_mutex_init (&lock, NULL);
  for (driver = drivers; NULL != driver; driver = driver->next)
    disown (driver);
}


/* A finalizer: the daemon has been stopped, or has never run. */
void
pymhd_driver_free (struct pymhd_driver *driver)
{
  (void) pthread_mutex_lock (&lock);
  if (NULL != driver->previous)
    driver->previous->next = driver->next;
  else
    drivers = driver->next;
  if (NULL != driver->next)
    driver->next->previous = driver->previous;
  (void) pthread_mutex_unlock (&lock);
  hub_free (&driver->hub);
  due_free (&driver->sessions.due);
  listeners_free (&driver->server.listeners);
  handshakes_close (&driver->server.handshakes);
  free (driver);
}


/* Any thread. */
unsigned int
pymhd_driver_connections (struct pymhd_driver *driver)
{
  return atomic_load (&driver->server.counts.connections);
}


/* Any thread. */
unsigned int
pymhd_driver_requests (struct pymhd_driver *driver)
{
  return atomic_load (&driver->server.counts.requests);
}


/* Any thread. */
unsigned int
pymhd_driver_upgraded (struct pymhd_driver *driver)
{
  return atomic_load (&driver->server.counts.upgraded);
}
