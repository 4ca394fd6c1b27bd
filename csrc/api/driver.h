/* SPDX-License-Identifier: MIT
 *
 * One libmicrohttpd daemon, run by a pump or by its own threads.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pymhd_driver;
struct pymhd_hub;

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
  const int *listen_fds;        /* one or more */
  size_t listen_count;
  unsigned int flags;
  unsigned int pool;
  unsigned int connections;
  unsigned int connections_per_ip;
  unsigned int timeout_seconds;
  int64_t header_ms;            /* 0: for ever, as the next one */
  int64_t body_ms;
  int64_t body_rate;            /* bytes a second; 0: body_ms is all */
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

struct pymhd_driver *
pymhd_driver_new (int64_t owner);

int
pymhd_driver_start (struct pymhd_driver *driver,
                    const struct pymhd_settings *settings);

const char *
pymhd_driver_reason (struct pymhd_driver *driver);

void
pymhd_driver_refuse (struct pymhd_driver *driver);

void
pymhd_driver_quiesce (struct pymhd_driver *driver);

void
pymhd_driver_stop (struct pymhd_driver *driver);

void
pymhd_driver_free (struct pymhd_driver *driver);

unsigned int
pymhd_driver_connections (struct pymhd_driver *driver);

unsigned int
pymhd_driver_requests (struct pymhd_driver *driver);

unsigned int
pymhd_driver_upgraded (struct pymhd_driver *driver);

void
pymhd_driver_shutdown (struct pymhd_driver *driver,
                       int how);

struct pymhd_hub *
pymhd_driver_hub (struct pymhd_driver *driver);
