/* SPDX-License-Identifier: MIT
 *
 * What a driver has been told at its start, and what does not change from then on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pymhd_quota;

/* Who runs libmicrohttpd: the pump, or threads of its own, which call back into
   Python; and by which call it waits. */
enum driven
{
  BY_PUMP_EPOLL,
  BY_PUMP_SELECT,
  BY_THREADS_EPOLL,
  BY_THREADS_POLL,              /* or select() */
  BY_THREAD_PER_CONNECTION      /* which waits for its connection's end */
};

struct config
{
  int64_t owner;                /* names the Python object in callbacks */
  enum driven driven;
  bool tls;
  bool client_ca;               /* clients must have a certificate */
  size_t memory;                /* of a connection */
  int64_t timeout_ms;           /* how long a client may be silent; 0: for ever */
  int64_t header_ms;            /* how long a header may take, and a body, apart from */
  int64_t body_ms;              /* a second for each body_rate bytes; 0: for ever */
  int64_t body_rate;            /* 0: none */
  int64_t look_period_ms;       /* how often a client is looked at; 0: never */
  size_t body_limit;
  unsigned int connection_limit;
  struct pymhd_quota *quota;    /* of upgrades; NULL: any number */
  size_t output_limit;          /* of what may wait for one peer of the hub's */
  int64_t close_ms;             /* how long its end waits for such a peer */
};

/* FLAGS: of MHD_start_daemon(). */
enum driven
config_driven (unsigned int flags);

static inline bool
config_calls_back (const struct config *config)
{
  return BY_THREADS_EPOLL <= config->driven;
}

static inline bool
config_is_per_connection (const struct config *config)
{
  return BY_THREAD_PER_CONNECTION == config->driven;
}

/* libmicrohttpd uses epoll, and is told once of what is ready. */
static inline bool
config_is_edge_triggered (const struct config *config)
{
  return (BY_PUMP_EPOLL == config->driven) ||
         (BY_THREADS_EPOLL == config->driven);
}

static inline bool
config_selects (const struct config *config)
{
  return BY_PUMP_SELECT == config->driven;
}
