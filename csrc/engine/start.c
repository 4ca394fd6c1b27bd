/* SPDX-License-Identifier: MIT
 *
 * The start of a driver, with libmicrohttpd's options.
 */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/driver.h"
#include "base/wakeup.h"
#include "engine/driver.h"
#include "engine/pump.h"
#include "http/early.h"
#include "http/request.h"
#include "http/response.h"
#include "mhd/accept.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/listeners.h"
#include "mhd/server.h"
#include "transport/handshake.h"

/* Those of TLS that are not given are left out: libmicrohttpd takes no NULL.  Where it
   has no threads of its own it does without sendfile() unless somebody else, we, deals
   with SIGPIPE; 0.9.72 cannot be told. */
static void
start_choose_options (struct MHD_OptionItem options[8],
                      const struct server *server,
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

  if (! listeners_are_used (&server->listeners))
    options[count++] = (struct MHD_OptionItem) {
      MHD_OPTION_LISTEN_SOCKET, server->listening.fd, NULL
    };
  for (i = 0; i < sizeof (all) / sizeof (*all); i++)
    if (NULL != all[i].ptr_value)
      options[count++] = all[i];
#if MHD_VERSION >= 0x00097300
  options[count++] = (struct MHD_OptionItem) {
    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL
  };
#endif
  options[count] = (struct MHD_OptionItem) { MHD_OPTION_END, 0, NULL };
}


/* Before 1.0 this only has libmicrohttpd refuse what head_rules.c refuses as well:
   requests without Host, to which 0.9.75 sends a broken answer, and blanks in a
   target, for which it closes without one. */
static int
start_strictness (void)
{
  return '0' == MHD_get_version ()[0] ? 0 : 1;
}


static struct MHD_Daemon *
start_daemon (struct pymhd_driver *driver,
              const struct pymhd_settings *settings)
{
  const unsigned int tls = driver->server.config.tls ? MHD_USE_TLS : 0;
  const bool listens = ! listeners_are_used (&driver->server.listeners);
  struct MHD_OptionItem options[8];

  start_choose_options (options, &driver->server, settings);
  return MHD_start_daemon (settings->flags | tls | MHD_ALLOW_UPGRADE
                           | (listens ? 0 : MHD_USE_NO_LISTEN_SOCKET)
                           | MHD_USE_ERROR_LOG,
                           0,
                           &client_policy, &driver->server,
                           &request_access, NULL,
                           /* First, so that it hears of the others. */
                           MHD_OPTION_EXTERNAL_LOGGER,
                           &early_log, (void *) &driver->requests,
                           MHD_OPTION_URI_LOG_CALLBACK,
                           &request_begin, (void *) &driver->requests,
                           MHD_OPTION_NOTIFY_COMPLETED,
                           &request_completed, NULL,
                           MHD_OPTION_NOTIFY_CONNECTION,
                           &client_notify, (void *) &driver->server,
                           /* Whom we accept we count: a connection that is handed
                              over at its limit has 0.9.74 to 0.9.77 hang. */
                           MHD_OPTION_CONNECTION_LIMIT,
                           listens ? settings->connections : INT_MAX,
                           MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                           settings->connections_per_ip,
                           MHD_OPTION_CONNECTION_TIMEOUT,
                           settings->timeout_seconds,
                           MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                           settings->memory,
                           MHD_OPTION_STRICT_FOR_CLIENT,
                           start_strictness (),
                           MHD_OPTION_THREAD_STACK_SIZE,
                           settings->stack,
                           MHD_OPTION_ARRAY,
                           options,
                           /* It warns of a pool of none or one. */
                           1 < settings->pool
                           ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
                           settings->pool,
                           MHD_OPTION_END);
}


/* MHD_start_daemon() has failed, and closed the listening descriptor on some
   paths and not on others. */
static void
start_close_if_same (int fd,
                     const struct stat *before)
{
  struct stat now;

  if ( (0 == fstat (fd, &now)) &&
       (now.st_dev == before->st_dev) &&
       (now.st_ino == before->st_ino) )
    (void) close (fd);
}


/* Has libmicrohttpd run; 0 or an errno. */
static int
start_mhd (struct pymhd_driver *driver,
           const struct pymhd_settings *settings)
{
  struct listening *const listening = &driver->server.listening;
  struct stat before = { 0 };
  int error;

  (void) fstat (listening->fd, &before);
  errno = 0;
  driver->server.mhd = start_daemon (driver, settings);
  if (NULL == driver->server.mhd)
  {
    error = 0 == errno ? EINVAL : errno;
    start_close_if_same (listening->fd, &before);
    listening->fd = -1;
    return error;
  }
  listening_begin (&driver->server);
  error = config_calls_back (&driver->server.config) ? 0 : pump_drive (driver);
  return 0 == error ? listeners_begin (&driver->server) : error;
}


/* Where clients come to; 0 or an errno. */
static int
start_open_listening (struct server *server,
                      const struct pymhd_settings *settings)
{
  if (1 < settings->listen_count)
    return listeners_open (server, settings->listen_fds, settings->listen_count);
  return listening_open (&server->listening, settings->listen_fds[0]);
}


static void
start_take_settings (struct pymhd_driver *driver,
                     const struct pymhd_settings *settings)
{
  struct config *const config = &driver->server.config;

  config->driven = config_driven (settings->flags);
  config->tls = NULL != settings->cert;
  config->client_ca = NULL != settings->client_ca;
  config->body_limit = settings->body;
  config->output_limit = settings->output;
  config->close_ms = settings->close_ms;
  config->quota = settings->quota;
  config->connection_limit = settings->connections;
  config->memory = settings->memory;
  config->timeout_ms = 1000 * (int64_t) settings->timeout_seconds;
  config->header_ms = settings->header_ms;
  config->body_ms = settings->body_ms;
  config->body_rate = settings->body_rate;
  deadline_open (&driver->server);
  driver->sessions.relays.per_connection = config_is_per_connection (config);
  driver->sessions.relays.close_ms = settings->close_ms;
  handshakes_open (&driver->server.handshakes, settings->priorities,
                   config->client_ca);
}


/* A thread of Python's; from libmicrohttpd's own threads callbacks may enter Python
   before it returns.  The listening descriptors stay the caller's.  0, or an errno;
   pymhd_driver_reason() then has libmicrohttpd's words. */
int
pymhd_driver_start (struct pymhd_driver *driver,
                    const struct pymhd_settings *settings)
{
  int error;

  response_drain ();
  start_take_settings (driver, settings);
  error = wakeup_open (&driver->server.life.stop);
  if ( (0 == error) &&
       (driver->server.config.tls) &&
       (BY_PUMP_EPOLL == driver->server.config.driven) )
    error = handshakes_watch (&driver->server.handshakes,
                              (int64_t) 1000 * settings->timeout_seconds);
  if (0 == error)
    error = pump_open (driver);
  if (0 == error)
    error = requests_open (&driver->requests) ? 0 : ENOMEM;
  if (0 == error)
    error = start_open_listening (&driver->server, settings);
  if (0 == error)
    error = start_mhd (driver, settings);
  if (0 != error)
    pymhd_driver_stop (driver);
  return error;
}
