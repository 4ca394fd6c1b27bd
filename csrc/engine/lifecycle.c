/* SPDX-License-Identifier: MIT
 *
 * The life of a libmicrohttpd daemon: options, start, quiesce, stop.
 *
 * The structure outlives MHD_stop_daemon(): Python's object owns it, so no
 * call with it can be a use after free.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/daemon.h"
#include "api/process.h"
#include "api/response.h"
#include "base/log.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "engine/driver.h"
#include "engine/pump.h"
#include "http/early.h"
#include "http/request.h"
#include "http/response.h"
#include "http/zero_copy.h"
#include "hub/hub.h"
#include "mhd/accept.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "transport/handshake.h"
#include "upgrade/session.h"

/* All daemons, for pymhd_forked().  A leaf. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pymhd_daemon *daemons;


static void
close_descriptor (int *fd)
{
  if (-1 != *fd)
    (void) close (*fd);
  *fd = -1;
}


/* Before anybody else knows it, and in a fork's child, where another thread of the
   parent's may have held one. */
static void
init_locks (struct pymhd_daemon *daemon)
{
  wakeup_init (&daemon->wakeup);
  wakeup_init (&daemon->life.stop);
  (void) pthread_mutex_init (&daemon->said.lock, NULL);
  (void) pthread_mutex_init (&daemon->listening.lock, NULL);
  (void) pthread_mutex_init (&daemon->clients.lock, NULL);
}


/* Any thread.  NULL if memory is short. */
struct pymhd_daemon *
pymhd_daemon_new (int64_t owner)
{
  struct pymhd_daemon *const daemon = calloc (1, sizeof (*daemon));

  if (NULL == daemon)
    return NULL;
  daemon->config.owner = owner;
  daemon->listening.fd = daemon->listening.mhd_epoll_fd = -1;
  daemon->poller.fd = daemon->wakeup.fd = daemon->life.stop.fd = -1;
  init_locks (daemon);
  if (! hub_open (daemon))
  {
    free (daemon);
    return NULL;
  }
  (void) pthread_mutex_lock (&lock);
  daemon->next = daemons;
  if (NULL != daemon->next)
    daemon->next->previous = daemon;
  daemons = daemon;
  (void) pthread_mutex_unlock (&lock);
  return daemon;
}


static bool
make_refusals (struct pymhd_daemon *daemon)
{
  int which;

  for (which = 0; which < REFUSALS; which++)
  {
    daemon->requests.refusal[which] = response_refusal ((enum refusal) which);
    if (NULL == daemon->requests.refusal[which])
      return false;
  }
  return true;
}


/* Those that are not given are left out: libmicrohttpd takes no NULL. */
static void
choose_tls_options (struct MHD_OptionItem options[6],
                    const struct pymhd_settings *settings)
{
  const struct MHD_OptionItem all[] = {
    { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *) (uintptr_t) settings->cert },
    { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *) (uintptr_t) settings->key },
    { MHD_OPTION_HTTPS_KEY_PASSWORD, 0, (void *) (uintptr_t) settings->password },
    { MHD_OPTION_HTTPS_MEM_TRUST, 0, (void *) (uintptr_t) settings->client_ca },
    { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *) (uintptr_t) settings->priorities },
  };
  size_t count = 0;
  size_t i;

  for (i = 0; i < sizeof (all) / sizeof (*all); i++)
    if (NULL != all[i].ptr_value)
      options[count++] = all[i];
  options[count] = (struct MHD_OptionItem) { MHD_OPTION_END, 0, NULL };
}


/* libmicrohttpd's own epoll descriptor, -1 if it has none. */
static int
mhd_epoll_fd (struct pymhd_daemon *daemon)
{
  const union MHD_DaemonInfo *const info
    = MHD_get_daemon_info (daemon->mhd, MHD_DAEMON_INFO_EPOLL_FD);

  return NULL == info ? -1 : info->epoll_fd;
}


/* Before 1.0 this only has libmicrohttpd refuse what head_rules.c refuses as well:
   requests without Host, to which 0.9.75 sends a broken answer, and blanks in a
   target, for which it closes without one. */
static int
strictness (void)
{
  return '0' == MHD_get_version ()[0] ? 0 : 1;
}


static struct MHD_Daemon *
start (struct pymhd_daemon *daemon,
       const struct pymhd_settings *settings)
{
  const unsigned int tls = daemon->config.tls ? MHD_USE_TLS : 0;
  struct MHD_OptionItem tls_options[6];

  choose_tls_options (tls_options, settings);
  return MHD_start_daemon (settings->flags | tls | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG,
                           0,
                           &client_policy, daemon,
                           &request_access, daemon,
                           /* First, so that it hears of the others. */
                           MHD_OPTION_EXTERNAL_LOGGER,
                           &early_log, (void *) daemon,
                           MHD_OPTION_URI_LOG_CALLBACK,
                           &request_begin, (void *) daemon,
                           MHD_OPTION_NOTIFY_COMPLETED,
                           &request_completed, (void *) daemon,
                           MHD_OPTION_NOTIFY_CONNECTION,
                           &client_notify, (void *) daemon,
                           MHD_OPTION_LISTEN_SOCKET,
                           daemon->listening.fd,
                           MHD_OPTION_CONNECTION_LIMIT,
                           settings->connections,
                           MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                           settings->connections_per_ip,
                           MHD_OPTION_CONNECTION_TIMEOUT,
                           settings->timeout_seconds,
                           MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                           settings->memory,
                           MHD_OPTION_STRICT_FOR_CLIENT,
                           strictness (),
                           MHD_OPTION_THREAD_STACK_SIZE,
                           settings->stack,
                           MHD_OPTION_ARRAY,
                           tls_options,
                           /* It warns of a pool of none or one. */
                           1 < settings->pool
                           ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
                           settings->pool,
                           MHD_OPTION_END);
}


/* MHD_start_daemon() has failed, and closed the listening descriptor on some
   paths and not on others. */
static void
close_if_same (int fd,
               const struct stat *before)
{
  struct stat now;

  if ( (0 == fstat (fd, &now)) &&
       (now.st_dev == before->st_dev) &&
       (now.st_ino == before->st_ino) )
    (void) close (fd);
}


/* libmicrohttpd closes the descriptor that it is given, so each daemon has a
   duplicate.  A fork's child knows it before libmicrohttpd does. */
static int
duplicate_listening (struct pymhd_daemon *daemon,
                     int fd)
{
  daemon->listening.fd = fcntl (fd, F_DUPFD_CLOEXEC, 0);
  return -1 == daemon->listening.fd ? errno : 0;
}


/* Has libmicrohttpd run; 0 or an errno. */
static int
start_mhd (struct pymhd_daemon *daemon,
           const struct pymhd_settings *settings)
{
  struct stat before = { 0 };
  int error;

  (void) fstat (daemon->listening.fd, &before);
  errno = 0;
  daemon->mhd = start (daemon, settings);
  if (NULL == daemon->mhd)
  {
    error = 0 == errno ? EINVAL : errno;
    close_if_same (daemon->listening.fd, &before);
    daemon->listening.fd = -1;
    return error;
  }
  daemon->listening.mhd_epoll_fd = mhd_epoll_fd (daemon);
  return config_calls_back (&daemon->config) ? 0 : pump_drive (daemon);
}


/* A thread of Python's; from libmicrohttpd's own threads callbacks may enter Python
   before it returns.  The listening descriptor stays the caller's.  0, or an errno;
   pymhd_daemon_reason() then has libmicrohttpd's words. */
int
pymhd_daemon_start (struct pymhd_daemon *daemon,
                    const struct pymhd_settings *settings)
{
  int error;

  response_drain ();
  daemon->config.driven = config_driven (settings->flags);
  daemon->config.tls = NULL != settings->cert;
  daemon->config.client_ca = NULL != settings->client_ca;
  daemon->config.body_limit = settings->body;
  daemon->config.output_limit = settings->output;
  daemon->config.close_ms = settings->close_ms;
  daemon->requests.quota = settings->quota;
  daemon->config.connection_limit = settings->connections;
  handshakes_open (&daemon->handshakes, settings->priorities,
                   daemon->config.client_ca);
  error = wakeup_open (&daemon->life.stop);
  if (0 == error)
    error = pump_open (daemon);
  if (0 == error)
    error = make_refusals (daemon) ? 0 : ENOMEM;
  if (0 == error)
    error = duplicate_listening (daemon, settings->listen_fd);
  if (0 == error)
    error = start_mhd (daemon, settings);
  if (0 != error)
    pymhd_daemon_stop (daemon);
  return error;
}


/* Any thread.  What libmicrohttpd logged last, valid until it logs again. */
const char *
pymhd_daemon_reason (struct pymhd_daemon *daemon)
{
  return daemon->said.line;
}


/* Any thread: from now on requests are answered with 503. */
void
pymhd_daemon_refuse (struct pymhd_daemon *daemon)
{
  atomic_store (&daemon->life.refusing, true);
  wakeup_signal (&daemon->life.stop);
}


/* The pump's thread.  Stops listening. */
void
pymhd_daemon_quiesce (struct pymhd_daemon *daemon)
{
  if ( (NULL != daemon->mhd) &&
       (! atomic_load (&daemon->life.dead)) )
    listening_quiesce (daemon);
}


static void
close_descriptors (struct pymhd_daemon *daemon)
{
  (void) pthread_mutex_lock (&daemon->listening.lock);
  close_descriptor (&daemon->listening.fd);
  (void) pthread_mutex_unlock (&daemon->listening.lock);
  wakeup_close (&daemon->life.stop);
  wakeup_close (&daemon->wakeup);
  poller_close (&daemon->poller);
}


/* The pump's thread.  Blocks until libmicrohttpd's own threads have ended. */
void
pymhd_daemon_stop (struct pymhd_daemon *daemon)
{
  int which;

  if (atomic_load (&daemon->life.dead))
    return;
  pymhd_daemon_refuse (daemon);
  /* A pool would shut the listening socket down, which may be the caller's, too. */
  if (config_calls_back (&daemon->config))
    pymhd_daemon_quiesce (daemon);
  hub_end (daemon);
  atomic_store (&daemon->life.late, true);
  if (config_is_per_connection (&daemon->config))
    sessions_release (daemon);
  else
    sessions_end (daemon);
  if (NULL != daemon->mhd)
  {
    if (config_calls_back (&daemon->config))
      clients_leave (daemon);
    (void) pthread_mutex_lock (&daemon->listening.lock);
    if (! daemon->listening.quiesced)
      daemon->listening.fd = -1;           /* MHD_stop_daemon() closes it */
    (void) pthread_mutex_unlock (&daemon->listening.lock);
    MHD_stop_daemon (daemon->mhd);
  }
  daemon->mhd = NULL;
  daemon->listening.mhd_epoll_fd = -1;            /* it has closed that */
  close_descriptors (daemon);
  pump_free (daemon);
  for (which = 0; which < REFUSALS; which++)
  {
    pymhd_response_unref (daemon->requests.refusal[which]);
    daemon->requests.refusal[which] = NULL;
  }
  response_drain ();
}


/* A finalizer: the daemon has been stopped, or has never run. */
void
pymhd_daemon_free (struct pymhd_daemon *daemon)
{
  (void) pthread_mutex_lock (&lock);
  if (NULL != daemon->previous)
    daemon->previous->next = daemon->next;
  else
    daemons = daemon->next;
  if (NULL != daemon->next)
    daemon->next->previous = daemon->previous;
  (void) pthread_mutex_unlock (&lock);
  hub_free (daemon);
  due_free (&daemon->sessions.due);
  handshakes_close (&daemon->handshakes);
  free (daemon);
}


/* Any thread. */
unsigned int
pymhd_daemon_connections (struct pymhd_daemon *daemon)
{
  return atomic_load (&daemon->counts.connections);
}


/* Any thread. */
unsigned int
pymhd_daemon_requests (struct pymhd_daemon *daemon)
{
  return atomic_load (&daemon->counts.requests);
}


/* Any thread. */
unsigned int
pymhd_daemon_upgraded (struct pymhd_daemon *daemon)
{
  return atomic_load (&daemon->counts.upgraded);
}


/* A thread of libmicrohttpd's, back from a callback that may have forked: in the
   child it must not go on, since it waits for descriptors of the parent's.  Nor may
   it return, which is an exit() where it is the only thread. */
void
daemon_called_back (struct pymhd_daemon *daemon)
{
  if (atomic_load (&daemon->life.dead))
    _exit (EXIT_SUCCESS);       /* what atexit() would run is the parent's */
}


/* A fork's child closes its copies and touches nothing else of its parent's:
   shutdown() or epoll_ctl() would act on the parent's sockets. */
static void
disown (struct pymhd_daemon *daemon)
{
  atomic_store (&daemon->life.dead, true);
  init_locks (daemon);
  hub_forked (daemon);
  clients_forked (daemon);
  close_descriptor (&daemon->listening.mhd_epoll_fd);
  close_descriptors (daemon);
}


/* The child of os.fork(), its only thread. */
void
pymhd_forked (void)
{
  struct pymhd_daemon *daemon;

  (void) pthread_mutex_init (&lock, NULL);
  for (daemon = daemons; NULL != daemon; daemon = daemon->next)
    disown (daemon);
  sessions_forked ();
  lent_forked ();
  log_forked ();
}
