/* SPDX-License-Identifier: MIT
 *
 * One libmicrohttpd daemon, run by a pump or by its own threads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pymhd_daemon;

/* How many connections may be upgraded at once: the same for all daemons that it
   is given to.  It must outlive them. */
struct pymhd_quota
{
  unsigned int limit;
  unsigned int used;            /* upgraded, or about to be */
  unsigned int refused;         /* requests for an upgrade, so far */
};

struct pymhd_settings
{
  int listen_fd;
  unsigned int flags;
  unsigned int pool;
  unsigned int connections;
  unsigned int connections_per_ip;
  unsigned int timeout_seconds;
  size_t memory;
  size_t stack;
  size_t body;
  size_t output;                /* 0: no limit, as for the next one */
  int64_t close_ms;
  struct pymhd_quota *quota;
  const char *cert;             /* PEM, NULL without TLS, as all of these */
  const char *key;
  const char *password;
  const char *client_ca;
  const char *priorities;
};

struct pymhd_daemon *
pymhd_daemon_new (int64_t owner);

int
pymhd_daemon_start (struct pymhd_daemon *daemon,
                    const struct pymhd_settings *settings);

const char *
pymhd_daemon_reason (struct pymhd_daemon *daemon);

void
pymhd_daemon_refuse (struct pymhd_daemon *daemon);

void
pymhd_daemon_quiesce (struct pymhd_daemon *daemon);

void
pymhd_daemon_stop (struct pymhd_daemon *daemon);

void
pymhd_daemon_free (struct pymhd_daemon *daemon);

unsigned int
pymhd_daemon_connections (struct pymhd_daemon *daemon);

unsigned int
pymhd_daemon_requests (struct pymhd_daemon *daemon);

unsigned int
pymhd_daemon_upgraded (struct pymhd_daemon *daemon);
